// Child processes of the scripts: each runs in its own process group, and all of them end when the script ends.
import { spawn } from 'node:child_process';

/** @type {Set<import('node:child_process').ChildProcess>} */
const living = new Set();
let watching = false;

/** Ends a child and everything that it started. Does nothing for one that has ended. */
export function end(child, signal = 'SIGTERM') {
  if (child.pid === undefined || !living.has(child)) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The group ended between the check and the signal.
  }
}

function endAll(signal) {
  for (const child of living) end(child, signal);
}

function watch() {
  if (watching) return;
  watching = true;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => {
      endAll('SIGTERM');
      setTimeout(() => {
        endAll('SIGKILL');
        process.exit(code);
      }, 600);
    });
  }
  process.on('exit', () => endAll('SIGKILL'));
}

/** Starts a child in its own process group; it is ended with the script. */
export function start(command, args, options = {}) {
  watch();
  const child = spawn(command, args, { detached: process.platform !== 'win32', ...options });
  living.add(child);
  child.once('exit', () => {
    // The group may still hold grandchildren (an extension host outlives its server for some seconds).
    end(child, 'SIGTERM');
    living.delete(child);
  });
  child.once('error', () => living.delete(child));
  return child;
}

/**
 * Runs a command to its end.
 * @returns {Promise<{ code: number, output: string }>} exit status and what it printed, standard output and errors mixed.
 */
export function run(command, args, options = {}) {
  const { timeout = 0, show = false, ...rest } = options;
  return new Promise((resolve) => {
    const child = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...rest });
    let output = '';
    let timer;
    const take = (chunk) => {
      output += chunk;
      if (show) process.stdout.write(chunk);
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: `${output}${command} could not be started: ${error.message}\n` });
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? (signal === null ? 1 : 128), output });
    });
    if (timeout > 0)
      timer = setTimeout(() => {
        output += `\n${command} was ended after ${Math.round(timeout / 1000)} s without a result.\n`;
        end(child, 'SIGKILL');
      }, timeout);
  });
}

/** Runs a command and throws what it printed when it fails. */
export async function must(command, args, options = {}) {
  const result = await run(command, args, options);
  if (result.code !== 0)
    throw new Error(`${command} ${args.join(' ')} failed with status ${result.code}:\n${result.output.slice(-4000)}`);
  return result.output;
}
