/** Starts iced-x86: in Node (tests, tsx) the package has loaded its own WebAssembly; in a bundle the host hands over the bytes. */
import * as package_ from 'iced-x86';

/** What scripts/iced-plugin.mjs adds to the package when it is bundled; absent in plain Node. */
interface BundledLoader {
  __instantiateFrom?: (bytes: Uint8Array) => void;
  __instantiateFromAsync?: (bytes: Uint8Array) => Promise<void>;
  __wasm?: object;
  default?: BundledLoader;
}

function loader(): BundledLoader {
  // The package's types do not know what the plugin adds; every field is optional and checked before use.
  const namespace = package_ as BundledLoader;
  // esbuild copies the exports of a CommonJS module when it is first imported, so fields set later live in `default` only.
  return namespace.default ?? namespace;
}

/** True when decoding, formatting and encoding may be called. */
export function icedIsLoaded(): boolean {
  const module = loader();
  return module.__instantiateFrom === undefined || module.__wasm !== undefined;
}

/**
 * Makes iced ready; does nothing in plain Node or when it is ready already.
 * @param wasm the content of `iced_x86_bg.wasm`, which ships beside the bundles
 */
export async function loadIced(wasm: Uint8Array): Promise<void> {
  if (!icedIsLoaded()) await loader().__instantiateFromAsync?.(wasm);
}

/** As {@link loadIced}, compiling synchronously (some 10 ms); allowed in Node and in workers, not on a page's main thread. */
export function loadIcedSync(wasm: Uint8Array): void {
  if (!icedIsLoaded()) loader().__instantiateFrom?.(wasm);
}
