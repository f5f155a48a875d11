// Where the scripts find things in a checkout.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Bundles, made by build.mjs. */
export const dist = join(root, 'dist');
/** What test runs leave behind: reports, screenshots, logs. */
export const out = join(root, 'out');
/** The embedded workbench; RINGSIDE_WORKBENCH_DIR names one that several checkouts share. */
export const workbenchDir = process.env.RINGSIDE_WORKBENCH_DIR || join(root, '.workbench');
/** The folder that the workbench opens as its sample workspace. */
export const sampleWorkspace = join(root, 'guests');
export const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
/** A command of an installed package, as a path. */
export const bin = (name) => join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
