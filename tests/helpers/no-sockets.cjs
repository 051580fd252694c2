/** Loaded before a program that must not touch the network: a connection or a look-up ends it with a code of its own. */
const net = require("node:net");
const dns = require("node:dns");

function forbidden(what) {
  return () => {
    process.stderr.write(`a socket was opened: ${what}\n`);
    process.exit(99);
  };
}

net.Socket.prototype.connect = forbidden("connect");
net.connect = forbidden("net.connect");
net.createConnection = forbidden("net.createConnection");
dns.lookup = forbidden("dns.lookup");
dns.promises.lookup = forbidden("dns.promises.lookup");
