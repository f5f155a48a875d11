// The browser that shows the workbench in tests: an installed Chromium, Chrome or Edge, else the one in npm's `@sparticuz/chromium`.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { must, run } from '../children.mjs';
import { root, workbenchDir } from '../paths.mjs';

const installedNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];

/** Arguments for every start: no sandbox (tests may run as root), no traffic of the browser's own. */
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function onPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next folder.
    }
  }
  return undefined;
}

/**
 * A browser that starts here, as launch options for playwright-core.
 * RINGSIDE_CHROMIUM names one; the value `npm` asks for the packaged one.
 */
export async function ensureChromium() {
  const asked = process.env.RINGSIDE_CHROMIUM;
  const installed = asked && asked !== 'npm' ? asked : installedNames.map(onPath).find((path) => path !== undefined);
  if (installed !== undefined && asked !== 'npm')
    return { executablePath: installed, args: ['--headless=new', ...quiet], env: process.env };
  return packaged();
}

async function packaged() {
  const folder = join(workbenchDir, 'chromium');
  const manifest = join(root, 'node_modules', '@sparticuz', 'chromium', 'package.json');
  if (!existsSync(manifest))
    throw new Error('No Chromium is installed and node_modules/@sparticuz/chromium is missing: run `npm ci` first.');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  const stamp = join(folder, 'version');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== version) await unpack(folder, stamp, version);
  const executablePath = join(folder, 'chromium');
  const bare = { ...process.env, FONTCONFIG_FILE: fontSettings(folder) };
  // On a bare system the libraries that a desktop would have come from the package too.
  const carried = [join(folder, 'al2023', 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  for (const env of [bare, { ...bare, LD_LIBRARY_PATH: carried }]) {
    const probe = await run(executablePath, ['--version', '--no-sandbox'], { env, timeout: 20_000 });
    if (probe.code === 0) return { executablePath, args: quiet, env };
  }
  throw new Error(`The Chromium of @sparticuz/chromium does not start here; name another with RINGSIDE_CHROMIUM.`);
}

/** The fonts that came with the workbench and the browser, and only those: pictures look the same on every machine. */
function fontSettings(folder) {
  const file = join(folder, 'fonts.conf');
  const folders = [join(workbenchDir, 'host', 'node_modules', 'dejavu-fonts-ttf', 'ttf'), join(folder, 'fonts')];
  const prefer = (asked, font) =>
    `<alias binding="same"><family>${asked}</family><prefer><family>${font}</family></prefer></alias>`;
  const settings = [
    '<?xml version="1.0"?><fontconfig>',
    ...folders.map((path) => `<dir>${path}</dir>`),
    `<cachedir>${join(folder, 'font-cache')}</cachedir>`,
    prefer('monospace', 'DejaVu Sans Mono'),
    ...['sans-serif', 'system-ui', 'Ubuntu', 'Droid Sans'].map((asked) => prefer(asked, 'Open Sans')),
    '</fontconfig>',
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  return file;
}

/** The package unpacks into the temporary folder of its process, so a process with its own one does it. */
async function unpack(folder, stamp, version) {
  const building = `${folder}.building`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  const program = "import('@sparticuz/chromium').then((c) => c.default.executablePath())";
  // AWS_EXECUTION_ENV makes it unpack its shared libraries as well.
  const env = { ...process.env, TMPDIR: building, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x' };
  await must(process.execPath, ['-e', program], { cwd: root, env, timeout: 120_000 });
  writeFileSync(join(building, 'version'), version);
  rmSync(folder, { recursive: true, force: true });
  renameSync(building, folder);
  if (!existsSync(join(folder, 'chromium'))) throw new Error(`${stamp}: unpacking left no browser.`);
}
