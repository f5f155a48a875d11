/** Capabilities collected from the handlers: a flag that stands for a request is true exactly when the request is handled. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { HandlerGroup } from './handler';
import type { RequestName } from './requests';

/** Flags that announce one request. */
export const FLAG_REQUESTS = {
  supportsConfigurationDoneRequest: 'configurationDone',
  supportsFunctionBreakpoints: 'setFunctionBreakpoints',
  supportsInstructionBreakpoints: 'setInstructionBreakpoints',
  supportsDataBreakpoints: 'setDataBreakpoints',
  supportsBreakpointLocationsRequest: 'breakpointLocations',
  supportsExceptionInfoRequest: 'exceptionInfo',
  supportsStepBack: 'stepBack',
  supportsStepInTargetsRequest: 'stepInTargets',
  supportsSetVariable: 'setVariable',
  supportsSetExpression: 'setExpression',
  supportsCompletionsRequest: 'completions',
  supportsRestartRequest: 'restart',
  supportsTerminateRequest: 'terminate',
  supportsReadMemoryRequest: 'readMemory',
  supportsWriteMemoryRequest: 'writeMemory',
  supportsDisassembleRequest: 'disassemble',
} as const satisfies Partial<Record<keyof DebugProtocol.Capabilities, RequestName>>;

export function collectCapabilities(groups: readonly HandlerGroup[]): DebugProtocol.Capabilities {
  const handled = new Set(groups.flatMap((group) => Object.keys(group.requests)));
  let capabilities: DebugProtocol.Capabilities = {};
  for (const [flag, request] of Object.entries(FLAG_REQUESTS)) {
    capabilities = { ...capabilities, [flag]: handled.has(request) };
  }
  for (const group of groups) capabilities = { ...capabilities, ...group.capabilities };
  return capabilities;
}
