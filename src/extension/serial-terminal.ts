/** The guest's serial port as a terminal: output is shown, typed keys go to the guest's UART. */
import * as vscode from 'vscode';
import type { CustomEvents } from '../dap/custom-requests';
import type { LiveSession } from './live-session';

/** Most text kept for a terminal that is not open yet. */
const BUFFER_LIMIT = 1 << 20;

class SerialPort implements vscode.Pseudoterminal {
  private readonly written = new vscode.EventEmitter<string>();
  private readonly closed = new vscode.EventEmitter<void>();
  private open_ = false;
  private waiting = '';
  readonly onDidWrite = this.written.event;
  readonly onDidClose = this.closed.event;

  constructor(private readonly type: (text: string) => void) {}

  open(): void {
    this.open_ = true;
    this.written.fire(this.waiting);
    this.waiting = '';
  }

  close(): void {
    this.open_ = false;
  }

  handleInput(data: string): void {
    this.type(data);
  }

  /** A terminal wants CR LF; guests send LF. */
  print(text: string): void {
    const lines = text.replace(/\r?\n/g, '\r\n');
    if (this.open_) this.written.fire(lines);
    else this.waiting = (this.waiting + lines).slice(-BUFFER_LIMIT);
  }
}

/** One terminal per session and port, made at the first byte. */
export function createSerialTerminals(live: LiveSession): vscode.Disposable {
  const terminals = new Map<string, { port: SerialPort; terminal: vscode.Terminal }>();
  const terminalFor = (session: vscode.DebugSession, name: string): SerialPort => {
    const key = `${session.id} ${name}`;
    const known = terminals.get(key);
    if (known !== undefined) return known.port;
    // The last session's terminal of this port gives way, so that terminals don't pile up.
    for (const [old, entry] of terminals) {
      if (!old.endsWith(` ${name}`)) continue;
      entry.terminal.dispose();
      terminals.delete(old);
    }
    const port = new SerialPort(
      (text) => void session.customRequest('ringside/serialInput', { text }).then(undefined, () => undefined),
    );
    const terminal = vscode.window.createTerminal({
      name: `Guest ${name}`,
      pty: port,
      iconPath: new vscode.ThemeIcon('plug'),
      isTransient: true,
    });
    terminals.set(key, { port, terminal });
    if (vscode.workspace.getConfiguration('ringside').get('serial.revealTerminal', true)) terminal.show(true);
    return port;
  };
  const subscription = live.onDidReceiveEvent(({ session, event, body }) => {
    if (event !== 'ringside/serial') return;
    // The body of this event as custom-requests.ts declares it.
    const { port, text } = body as CustomEvents['ringside/serial'];
    terminalFor(session, port).print(text);
  });
  return vscode.Disposable.from(subscription, {
    dispose: () => {
      for (const { terminal } of terminals.values()) terminal.dispose();
    },
  });
}
