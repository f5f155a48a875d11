// Runs the generator of src/engine/interpreter/ at build time: dist/interpreter.wasm, made from the one set of semantics.
import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * @param {string} root the checkout
 * @param {string} scratch a folder inside the checkout for the bundled generator
 * @returns {Promise<Uint8Array>} the module; every call gives the same bytes for the same sources
 */
export async function generatedInterpreter(root, scratch) {
  const { build } = await import('esbuild');
  const outfile = join(scratch, 'generate-interpreter.cjs');
  await build({
    entryPoints: [join(root, 'src', 'engine', 'interpreter', 'generate.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'es2022',
    // As published, iced loads its own WebAssembly in Node.
    external: ['iced-x86'],
    logLevel: 'warning',
  });
  const bytes = createRequire(import.meta.url)(outfile).generateInterpreter();
  if (!WebAssembly.validate(bytes)) throw new Error('src/engine/interpreter/ generated an invalid WebAssembly module.');
  return bytes;
}
