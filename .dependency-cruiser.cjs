// Which room of src/ may import which: the explicit list that `npm test` holds.
const rooms = {
  x86: [],
  engine: ['x86'],
  machine: ['x86', 'engine'],
  vmm: ['x86', 'engine', 'machine'],
  facts: ['x86', 'machine'],
  assembler: ['x86'],
  images: ['x86'],
  debugger: ['x86', 'engine', 'machine', 'vmm', 'facts', 'assembler', 'images'],
  dap: ['x86', 'engine', 'machine', 'vmm', 'facts', 'assembler', 'images', 'debugger'],
  language: ['x86', 'assembler'],
  labs: ['x86', 'engine', 'machine', 'vmm', 'facts', 'assembler', 'images', 'debugger'],
  cli: [
    ...['x86', 'engine', 'machine', 'vmm', 'facts', 'assembler', 'images'],
    ...['debugger', 'dap', 'language', 'labs'],
  ],
  extension: ['labs'],
};

/** Of these rooms only the named files may be imported from the room. */
const openFiles = {
  // The vocabulary of events and the record that carries one; for the digest, the guest's state as every technique shows it.
  facts: { machine: ['event-kinds', 'events', 'clock', 'guest-view', 'guest-registers', 'state-hash'] },
  // What the trees and the adapter agree on: custom requests, and the messages of the worker between them.
  extension: { dap: ['custom-requests', 'worker-messages'] },
};

/** Entry points of workers: each starts one server inside the worker, and is the only file there that imports it. */
const workerEntries = '^src/extension/[a-z-]*worker[a-z-]*\\.ts$';
const tests = '\\.test(-support)?\\.ts$';

const roomRules = Object.entries(rooms).map(([room, allowed]) => {
  const files = Object.entries(openFiles[room] ?? {});
  const whole = allowed.filter((other) => !files.some(([name]) => name === other));
  return {
    name: `imports-of-${room}`,
    comment: `src/${room}/ may import ${[...allowed, ...files.map(([name, list]) => `${name}/{${list}}`)].join(', ') || 'no other room'}.`,
    severity: 'error',
    from: { path: `^src/${room}/`, pathNot: room === 'extension' ? [tests, workerEntries] : [tests] },
    to: {
      path: '^src/',
      pathNot: [
        `^src/(${[room, ...whole].join('|')})/`,
        ...files.map(([name, list]) => `^src/${name}/(${list.join('|')})\\.ts$`),
      ],
    },
  };
});

module.exports = {
  forbidden: [
    ...roomRules,
    {
      name: 'only-known-rooms',
      comment: 'A file under src/ belongs to a room of the list.',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${Object.keys(rooms).join('|')})/` },
      to: {},
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'core-runs-anywhere',
      comment: 'The core uses no Node module and not vscode: entry points in cli/ and extension/ adapt it to a host.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(cli|extension)/', tests] },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'vscode-in-the-extension-only',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/extension/', tests] },
      to: { path: '^(vscode|node_modules/@types/vscode|node_modules/vscode-languageclient)' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: ['^vscode$', '^vscode-language(server|client)/'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'], exportsFields: ['exports'], conditionNames: ['import', 'types', 'require'] },
  },
};
