// `npm run notices`: builds, and writes THIRD-PARTY-NOTICES.md from what was bundled.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { noticesFile, noticesText } from './notices.mjs';
import { root } from './paths.mjs';

await build();
writeFileSync(join(root, noticesFile), noticesText());
console.log(`${noticesFile} is written.`);
