// Portkey in as many processes as the others get, by Node's own cluster module: node workers.cjs START_SERVER PORT COUNT
const cluster = require("node:cluster");

const [script, port, count] = process.argv.slice(2);
cluster.setupPrimary({ exec: script, args: [`--port=${port}`, "--headless"], silent: true });
for (let number = 0; number < Number(count); number += 1) {
  // Nobody reads what they say; unread pipes would fill.
  const worker = cluster.fork();
  worker.process.stdout.resume();
  worker.process.stderr.resume();
}
