// The esbuild plugin that makes iced-x86 (published for Node only) bundle for every host: the module no longer
// reads its .wasm file while it loads; src/x86/iced-module.ts hands it the bytes. The .wasm ships once beside the bundles.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const icedScript = createRequire(import.meta.url).resolve('iced-x86');

/** Absolute path of iced's WebAssembly file; the build copies it to `dist/iced_x86_bg.wasm`. */
export const icedWasmPath = join(dirname(icedScript), 'iced_x86_bg.wasm');

/** The name that the shipped WebAssembly file has beside the bundles. */
export const icedWasmName = 'iced_x86_bg.wasm';

const textCoders = 'const { TextDecoder, TextEncoder } = require(`util`);';
const tailStart = "const path = require('path').join(__dirname, 'iced_x86_bg.wasm');";

// The names must equal those that src/x86/iced-module.ts looks for.
const tail = `
module.exports.__instantiateFrom = (bytes) => {
  wasm = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports;
  module.exports.__wasm = wasm;
};
module.exports.__instantiateFromAsync = async (bytes) => {
  wasm = (await WebAssembly.instantiate(bytes, imports)).instance.exports;
  module.exports.__wasm = wasm;
};
`;

/** Rewrites the text of iced_x86.js; throws when the package no longer has the shape that the rewrite expects. */
export function patchIced(source) {
  const cut = source.indexOf(tailStart);
  if (cut < 0 || !source.includes(textCoders)) {
    throw new Error('iced_x86.js has changed its loader: adapt scripts/iced-plugin.mjs to the new text.');
  }
  return source.slice(0, cut).replace(textCoders, 'const { TextDecoder, TextEncoder } = globalThis;') + tail;
}

/** The plugin; put it into the `plugins` of every esbuild call whose bundle reaches src/x86/iced-module.ts. */
export function icedPlugin() {
  return {
    name: 'iced-x86-loader',
    setup(build) {
      build.onLoad({ filter: /[\\/]iced_x86\.js$/ }, async (file) => ({
        contents: patchIced(await readFile(file.path, 'utf8')),
        loader: 'js',
      }));
    },
  };
}
