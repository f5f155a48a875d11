/** Memory by any address of the grammar: reads change nothing, writes go through the input log. */
import { type Address, formatAddress, parseAddress } from '../../debugger/addresses';
import { type HandlerGroup, RequestError } from '../handler';

/** More than any view shows at once; keeps a wrong count from exhausting memory. */
const MOST_BYTES = 1 << 20;

function addressOf(reference: string, offset = 0): Address {
  const address = parseAddress(reference);
  if ('problem' in address) throw new RequestError(address.problem);
  const moved = address.address + offset;
  if (moved < 0) throw new RequestError(`"${reference}" with offset ${offset} lies below address 0.`);
  return { ...address, address: moved };
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x2000) text += String.fromCharCode(...bytes.subarray(i, i + 0x2000));
  return btoa(text);
}

function fromBase64(data: string): Uint8Array {
  try {
    return Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  } catch {
    throw new RequestError('The data to write is not base64.');
  }
}

export const memoryRequests: HandlerGroup = {
  requests: {
    readMemory: (context, args) => {
      const session = context.stopped();
      const at = addressOf(args.memoryReference, args.offset);
      const count = Math.min(Math.max(0, args.count), MOST_BYTES);
      const { bytes, unreadable } = session.read(at, count);
      return {
        address: formatAddress(at),
        ...(bytes.length === 0 ? {} : { data: toBase64(bytes) }),
        ...(unreadable === 0 ? {} : { unreadableBytes: unreadable }),
      };
    },

    writeMemory: (context, args) => {
      const session = context.stopped();
      const at = addressOf(args.memoryReference, args.offset);
      const bytes = fromBase64(args.data);
      const written = session.write(at, bytes);
      if (written < bytes.length && args.allowPartial !== true) {
        throw new RequestError(
          `Only ${written} of ${bytes.length} bytes at ${formatAddress(at)} lie in mapped memory.`,
        );
      }
      context.afterResponse(() => {
        context.event('memory', { memoryReference: args.memoryReference, offset: args.offset ?? 0, count: written });
        context.event('invalidated', { areas: ['variables'] });
      });
      return { bytesWritten: written };
    },
  },
};
