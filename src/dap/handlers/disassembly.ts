/** The disassembly view: exactly as many rows as asked for, with bytes, symbol and source line. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { hex32, parseAddress } from '../../debugger/addresses';
import type { DisassemblyRow } from '../../debugger/disassembly';
import { type AdapterContext, type HandlerGroup, RequestError } from '../handler';
import { source } from './breakpoints';

/** VS Code asks for some hundred rows; keeps a wrong count from exhausting memory. */
const MOST_ROWS = 5000;

function described(context: AdapterContext, row: DisassemblyRow): DebugProtocol.DisassembledInstruction {
  // VS Code knows "-1" as the address of rows beyond the ends of the address space.
  if (row.address === undefined) return { address: '-1', instruction: '', presentationHint: 'invalid' };
  const bytes = [...row.bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  return {
    address: hex32(row.address),
    instruction: row.text,
    ...(bytes === '' ? {} : { instructionBytes: bytes }),
    ...(row.symbol === undefined ? {} : { symbol: row.symbol }),
    ...(row.source === undefined
      ? {}
      : { location: source(row.source.path), line: context.lineToClient(row.source.line) }),
    ...(row.valid ? {} : { presentationHint: 'invalid' as const }),
  };
}

export const disassemblyRequests: HandlerGroup = {
  requests: {
    disassemble: (context, args) => {
      const session = context.stopped();
      const address = parseAddress(args.memoryReference);
      if ('problem' in address) throw new RequestError(address.problem);
      if (address.space !== 'linear') throw new RequestError('Disassembly needs a linear address such as 0x100000.');
      const anchor = (address.address + (args.offset ?? 0)) >>> 0;
      const count = Math.min(Math.max(0, args.instructionCount), MOST_ROWS);
      const offset = Math.max(-MOST_ROWS, Math.min(args.instructionOffset ?? 0, MOST_ROWS));
      const rows = session.disassemble(anchor, offset, count);
      return { instructions: rows.map((row) => described(context, row)) };
    },
  },
};
