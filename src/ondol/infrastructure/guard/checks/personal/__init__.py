"""The rules that find personal data by its form: one file for each family of identifiers."""
