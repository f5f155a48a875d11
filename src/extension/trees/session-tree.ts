/** What every Ringside tree shares: it follows the live session, keeps its last data while the guest runs, and asks only when visible. */
import * as vscode from 'vscode';
import type { LiveSession } from '../live-session';

/** A row: its constant id, how it looks, and how its children come about. */
export interface TreeRow {
  readonly item: vscode.TreeItem;
  readonly children?: readonly TreeRow[];
}

/** Asks the adapter for the rows; also returns what the view's header says. */
export type RowSource = (live: LiveSession) => Promise<{ rows: readonly TreeRow[]; description?: string } | undefined>;

export class SessionTree implements vscode.TreeDataProvider<TreeRow>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly view: vscode.TreeView<TreeRow>;
  private readonly subscription: vscode.Disposable;
  private rows: readonly TreeRow[] = [];

  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    viewId: string,
    private readonly live: LiveSession,
    private readonly source: RowSource,
    private readonly painted: (viewId: string) => void,
  ) {
    this.view = vscode.window.createTreeView(viewId, { treeDataProvider: this, showCollapseAll: true });
    this.viewId = viewId;
    this.subscription = live.onDidChange(() => {
      if (live.active === undefined) {
        this.rows = [];
        this.view.description = undefined;
        this.changed.fire();
      } else if (live.stopped) {
        this.changed.fire();
      }
    });
  }

  private readonly viewId: string;

  getTreeItem(row: TreeRow): vscode.TreeItem {
    return row.item;
  }

  async getChildren(row?: TreeRow): Promise<TreeRow[]> {
    if (row !== undefined) return [...(row.children ?? [])];
    if (this.live.stopped) {
      const answer = await this.source(this.live);
      if (answer !== undefined) {
        this.rows = answer.rows;
        this.view.description = answer.description;
      }
      this.painted(this.viewId);
    }
    return [...this.rows];
  }

  dispose(): void {
    this.subscription.dispose();
    this.view.dispose();
    this.changed.dispose();
  }
}

/** Makes a row. The id must not change between stops, or the tree collapses while stepping. */
export function treeRow(
  id: string,
  label: string,
  description: string,
  options: {
    children?: readonly TreeRow[];
    expanded?: boolean;
    icon?: vscode.ThemeIcon;
    command?: vscode.Command | undefined;
    tooltip?: string | vscode.MarkdownString;
    context?: string;
    /** What the icon says, for screen readers. */
    spoken?: string;
  } = {},
): TreeRow {
  const state =
    options.children === undefined
      ? vscode.TreeItemCollapsibleState.None
      : options.expanded === true
        ? vscode.TreeItemCollapsibleState.Expanded
        : vscode.TreeItemCollapsibleState.Collapsed;
  const item = new vscode.TreeItem(label, state);
  item.id = id;
  item.description = description;
  if (options.icon !== undefined) item.iconPath = options.icon;
  if (options.command !== undefined) item.command = options.command;
  if (options.tooltip !== undefined) item.tooltip = options.tooltip;
  if (options.context !== undefined) item.contextValue = options.context;
  // Screen readers read label and description; icons carry nothing that these do not say.
  item.accessibilityInformation = { label: `${label} ${description} ${options.spoken ?? ''}`.trim() };
  return options.children === undefined ? { item } : { item, children: options.children };
}
