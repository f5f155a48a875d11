/** Guest and host memory as read-only documents: a hexadecimal dump that is read again at each stop. */
import * as vscode from 'vscode';
import type { LiveSession } from './live-session';

const SCHEME = 'ringside-memory';
const BYTES_SHOWN = 512;
const BYTES_PER_LINE = 16;

interface ReadMemoryBody {
  readonly address: string;
  readonly unreadableBytes?: number;
  readonly data?: string;
}

export class MemoryDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly registrations: vscode.Disposable[];
  readonly onDidChange = this.changed.event;

  constructor(private readonly live: LiveSession) {
    this.registrations = [
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      live.onDidChange(() => {
        if (!live.stopped) return;
        for (const document of vscode.workspace.textDocuments)
          if (document.uri.scheme === SCHEME) this.changed.fire(document.uri);
      }),
      this.changed,
    ];
  }

  /** Opens the bytes at an address of the address grammar. */
  async show(reference: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${reference.replaceAll('_', '')}.txt` });
    await vscode.window.showTextDocument(uri, { preview: true });
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const reference = uri.path.slice(1).replace(/\.txt$/, '');
    const session = this.live.active;
    if (session === undefined) return `No Ringside session is running: the bytes at ${reference} can't be read.\n`;
    try {
      // readMemory's response body as the Debug Adapter Protocol defines it.
      const body = (await session.customRequest('readMemory', {
        memoryReference: reference,
        count: BYTES_SHOWN,
      })) as ReadMemoryBody;
      return dump(reference, body);
    } catch (error) {
      return `${reference}: ${error instanceof Error ? error.message : String(error)}\n`;
    }
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }
}

/** Address, sixteen bytes, and their printable characters on each line. */
function dump(reference: string, body: ReadMemoryBody): string {
  const bytes = Uint8Array.from(atob(body.data ?? ''), (c) => c.charCodeAt(0));
  const start = Number(body.address.slice(body.address.lastIndexOf('/') + 1));
  const lines = [`${reference}`, ''];
  for (let i = 0; i < bytes.length; i += BYTES_PER_LINE) {
    const row = bytes.subarray(i, i + BYTES_PER_LINE);
    const hexadecimal = [...row].map((b) => b.toString(16).padStart(2, '0')).join(' ');
    const text = [...row].map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
    const address = Number.isNaN(start) ? `+${i.toString(16)}` : (start + i).toString(16).padStart(8, '0');
    lines.push(`${address}  ${hexadecimal.padEnd(BYTES_PER_LINE * 3)} ${text}`);
  }
  if (body.unreadableBytes !== undefined && body.unreadableBytes > 0)
    lines.push('', `The next ${body.unreadableBytes} bytes can't be read: no page is mapped there.`);
  return `${lines.join('\n')}\n`;
}
