// The tests of the host suite, the same in the Node and in the web worker extension host.
import * as vscode from 'vscode';
import { debugging } from './debugging';
import { failures } from './failures';
import { language } from './language';
import { views } from './views';
import { testSetting } from './witness';

export function registerTests(): void {
  describe('the extension host', () => {
    it('is the one that the suite was started for', () => {
      const isWorker = typeof process === 'undefined';
      if (isWorker !== (testSetting('host') === 'web')) throw new Error('The suite runs in the wrong extension host.');
      if (vscode.extensions.getExtension('ringside.ringside') === undefined)
        throw new Error('Ringside is not installed.');
    });
  });
  describe('language', language);
  describe('debugging', debugging);
  describe('views', views);
  describe('failures', failures);
}
