/** iced in a bundle for hosts without Node: the plugin removes every Node module, and the bytes come from outside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { icedPlugin, icedWasmPath } from '../../../scripts/iced-plugin.mjs';

const root = join(import.meta.dirname, '../../..');

const entry = `
import { icedIsLoaded, loadIced, loadIcedSync } from './src/x86/iced-module';
import { formatNasm } from './src/x86/iced';
globalThis.probe = async (bytes, atOnce) => {
  const before = icedIsLoaded();
  if (atOnce) loadIcedSync(bytes); else await loadIced(bytes);
  return [before, icedIsLoaded(), formatNasm(new Uint8Array([0x0f, 0x01, 0xc2]), 32, 0n)];
};
`;

describe.each(['iife', 'esm'] as const)('a %s bundle for browsers', (format) => {
  it('uses no Node module and works once it has the bytes', async () => {
    const { outputFiles } = await build({
      stdin: { contents: entry, resolveDir: root, loader: 'ts' },
      bundle: true,
      write: false,
      format,
      platform: 'browser',
      target: 'es2022',
      plugins: [icedPlugin()],
      logLevel: 'silent',
    });
    const text = outputFiles[0]?.text ?? '';
    expect(text).not.toMatch(/\brequire\(['"`](?:node:)?(?:fs|path|util)/);
    for (const atOnce of [true, false]) {
      // A fresh realm has none of Node's globals but those that every host offers.
      const realm = createContext({
        TextDecoder,
        TextEncoder,
        WebAssembly: Reflect.get(globalThis, 'WebAssembly'),
        Uint8Array,
      });
      runInContext(text, realm);
      // The entry above defines it with this type.
      const { probe } = realm as { readonly probe: (bytes: Uint8Array, atOnce: boolean) => Promise<unknown> };
      expect(await probe(new Uint8Array(readFileSync(icedWasmPath)), atOnce)).toEqual([false, true, 'vmlaunch']);
    }
  });
});
