/**
 * The command line, but before its first output it asks the test what is to happen: it sends its
 * process id to the socket and waits for `go` or `die`.
 *
 *     node watched_engine.js SOCKET CLI.js ARGUMENT ...
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

const [socket_path, ...args] = process.argv.slice(2);
const engine = spawn(process.execPath, args, { stdio: ['inherit', 'pipe', 'inherit'] });
const ended = once(engine, 'exit');
await Promise.race([once(engine.stdout, 'readable'), ended]);

const socket = connect(socket_path);
socket.write(`${process.pid}\n`);
const [answer] = await once(socket, 'data');
socket.end();
if (String(answer) === 'die') {
    engine.kill('SIGKILL');
    process.stderr.write('the engine was told to die\n');
    process.exit(3);
}
process.stdout.on('error', () => engine.kill('SIGKILL')); // nobody reads any more
engine.stdout.pipe(process.stdout);
const [code] = await ended;
process.exitCode = code ?? 1;
