// The text of the hypervisor for the debugger: every file of src/vmm/ and the lines of its named steps.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** Where a handler yields a named step; the name is a literal and used once, so that the line can be found by it. */
const step = /yield\s+step\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g;

/**
 * @param {string} root the checkout
 * @returns {{ files: { path: string, text: string, steps: { name: string, line: number }[] }[] }}
 * lines count from 1; paths are relative to the checkout, with `/`
 */
export function vmmSource(root) {
  const folder = join(root, 'src', 'vmm');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  const seen = new Map();
  return {
    files: files.map((path) => {
      const text = readFileSync(path, 'utf8');
      const steps = [...text.matchAll(step)].map((match) => ({
        name: match[2] ?? '',
        line: text.slice(0, match.index).split('\n').length,
      }));
      const yields = text.match(/^(?!\s*(?:\*|\/\/)).*\byield\s+step\(/gm) ?? [];
      if (yields.length !== steps.length)
        throw new Error(`${path}: a \`yield step(...)\` has no literal name, so the debugger could not find its line.`);
      for (const { name, line } of steps) {
        const here = `${path}:${line}`;
        const first = seen.get(name);
        if (first !== undefined)
          throw new Error(`${here}: the step name '${name}' stands at ${first} too; a name must lead to one line.`);
        seen.set(name, here);
      }
      return { path: relative(root, path).split(sep).join('/'), text, steps };
    }),
  };
}
