/** The requests that the adapter answers, each with its argument and body types: DAP's own and Ringside's. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CustomRequests } from './custom-requests';

type Nothing = undefined;

/** Request name -> arguments and response body. */
export interface DapRequests extends CustomRequests {
  initialize: { arguments: DebugProtocol.InitializeRequestArguments; body: DebugProtocol.Capabilities };
  launch: { arguments: DebugProtocol.LaunchRequestArguments; body: Nothing };
  configurationDone: { arguments: DebugProtocol.ConfigurationDoneArguments; body: Nothing };
  restart: { arguments: DebugProtocol.RestartArguments; body: Nothing };
  terminate: { arguments: DebugProtocol.TerminateArguments; body: Nothing };
  disconnect: { arguments: DebugProtocol.DisconnectArguments; body: Nothing };
  setBreakpoints: {
    arguments: DebugProtocol.SetBreakpointsArguments;
    body: DebugProtocol.SetBreakpointsResponse['body'];
  };
  setFunctionBreakpoints: {
    arguments: DebugProtocol.SetFunctionBreakpointsArguments;
    body: DebugProtocol.SetFunctionBreakpointsResponse['body'];
  };
  setInstructionBreakpoints: {
    arguments: DebugProtocol.SetInstructionBreakpointsArguments;
    body: DebugProtocol.SetInstructionBreakpointsResponse['body'];
  };
  setExceptionBreakpoints: {
    arguments: DebugProtocol.SetExceptionBreakpointsArguments;
    body: DebugProtocol.SetExceptionBreakpointsResponse['body'];
  };
  setDataBreakpoints: {
    arguments: DebugProtocol.SetDataBreakpointsArguments;
    body: DebugProtocol.SetDataBreakpointsResponse['body'];
  };
  dataBreakpointInfo: {
    arguments: DebugProtocol.DataBreakpointInfoArguments;
    body: DebugProtocol.DataBreakpointInfoResponse['body'];
  };
  breakpointLocations: {
    arguments: DebugProtocol.BreakpointLocationsArguments;
    body: DebugProtocol.BreakpointLocationsResponse['body'];
  };
  exceptionInfo: {
    arguments: DebugProtocol.ExceptionInfoArguments;
    body: DebugProtocol.ExceptionInfoResponse['body'];
  };
  threads: { arguments: Record<string, never>; body: DebugProtocol.ThreadsResponse['body'] };
  continue: { arguments: DebugProtocol.ContinueArguments; body: DebugProtocol.ContinueResponse['body'] };
  next: { arguments: DebugProtocol.NextArguments; body: Nothing };
  stepIn: { arguments: DebugProtocol.StepInArguments; body: Nothing };
  stepInTargets: {
    arguments: DebugProtocol.StepInTargetsArguments;
    body: DebugProtocol.StepInTargetsResponse['body'];
  };
  stepOut: { arguments: DebugProtocol.StepOutArguments; body: Nothing };
  stepBack: { arguments: DebugProtocol.StepBackArguments; body: Nothing };
  reverseContinue: { arguments: DebugProtocol.ReverseContinueArguments; body: Nothing };
  pause: { arguments: DebugProtocol.PauseArguments; body: Nothing };
  stackTrace: { arguments: DebugProtocol.StackTraceArguments; body: DebugProtocol.StackTraceResponse['body'] };
  source: { arguments: DebugProtocol.SourceArguments; body: DebugProtocol.SourceResponse['body'] };
  scopes: { arguments: DebugProtocol.ScopesArguments; body: DebugProtocol.ScopesResponse['body'] };
  variables: { arguments: DebugProtocol.VariablesArguments; body: DebugProtocol.VariablesResponse['body'] };
  setVariable: { arguments: DebugProtocol.SetVariableArguments; body: DebugProtocol.SetVariableResponse['body'] };
  setExpression: {
    arguments: DebugProtocol.SetExpressionArguments;
    body: DebugProtocol.SetExpressionResponse['body'];
  };
  evaluate: { arguments: DebugProtocol.EvaluateArguments; body: DebugProtocol.EvaluateResponse['body'] };
  completions: { arguments: DebugProtocol.CompletionsArguments; body: DebugProtocol.CompletionsResponse['body'] };
  readMemory: { arguments: DebugProtocol.ReadMemoryArguments; body: DebugProtocol.ReadMemoryResponse['body'] };
  writeMemory: { arguments: DebugProtocol.WriteMemoryArguments; body: DebugProtocol.WriteMemoryResponse['body'] };
  disassemble: { arguments: DebugProtocol.DisassembleArguments; body: DebugProtocol.DisassembleResponse['body'] };
}

export type RequestName = keyof DapRequests;
