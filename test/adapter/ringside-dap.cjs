// What DebugClient starts: it passes a program and no arguments, so this adds the command.
process.argv.push('dap');
require('../../dist/ringside.cjs');
