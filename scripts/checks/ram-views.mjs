// One writer (design decision 11): only src/engine/ may look at the machine's linear memory through typed arrays.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../paths.mjs';

/** The buffer of a WebAssembly memory, under every name that this house gives it. */
const view = /(?:\b(?:memory|ram|linear)|\bwasm(?:Memory)?)\.buffer\b/i;

/** @returns {{ ok: boolean, output: string }} */
export function checkRamViews() {
  const found = [];
  let inEngine = 0;
  let files = 0;
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
    files++;
    const lines = readFileSync(join(root, 'src', name), 'utf8').split('\n');
    for (const [index, line] of lines.entries()) {
      if (!view.test(line)) continue;
      if (name.startsWith('engine')) inEngine++;
      else
        found.push(
          `src/${name}:${index + 1}: a view of RAM outside src/engine/; go through the engine's memory interface`,
        );
    }
  }
  // The engine itself makes such views; a pattern that does not find them has gone stale.
  if (inEngine === 0)
    found.push('No view of RAM was found in src/engine/ either: adapt the pattern of scripts/checks/ram-views.mjs.');
  return {
    ok: found.length === 0,
    output: [...found, `${files} files searched, ${inEngine} views inside src/engine/`].join('\n'),
  };
}
