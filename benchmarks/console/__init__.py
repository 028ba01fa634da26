"""The console at the size of a year-old installation: how long pages and routes take, what they weigh, and whether people can use them."""
