// Files and folders that are dropped on the page.

import { fromFiles, type Source } from './source';

/** Files of a folder that are read, at most: a model has hundreds at most, and a home directory may be dropped by mistake. */
const MOST_FILES = 2000;

/** Calls `load` with what is dropped anywhere, while `isWanted`; `overlay`, a popover, is shown while something is over the page. */
export function acceptFiles(
  overlay: HTMLElement,
  isWanted: () => boolean,
  load: (source: Source) => void,
): void {
  // Counts the elements that a drag is over: entering a child comes before leaving its parent.
  let depth = 0;
  const onDrag = (event: DragEvent, now: number): void => {
    if (!event.dataTransfer?.types.includes('Files') || !isWanted()) return;
    event.preventDefault();
    depth = now;
    overlay.togglePopover(depth > 0);
  };
  document.addEventListener('dragenter', (event) => onDrag(event, depth + 1));
  document.addEventListener('dragleave', (event) => onDrag(event, depth - 1));
  document.addEventListener('dragover', (event) => onDrag(event, depth));
  document.addEventListener('drop', (event) => {
    onDrag(event, 0);
    if (!event.dataTransfer || !isWanted()) return;
    void filesIn(event.dataTransfer).then((files) => {
      const source = fromFiles(files);
      if (source) load(source);
    });
  });
}

/** All files that were dropped, with those in folders. What is dropped can be asked for only until the event is over. */
async function filesIn({ items, files }: DataTransfer): Promise<File[]> {
  const loose = [...files];
  const entries = [...items].map((item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return loose;
  const found: File[] = [];
  for (const entry of entries) if (entry) await collect(entry, found);
  return found;
}

async function collect(entry: FileSystemEntry, found: File[]): Promise<void> {
  if (found.length >= MOST_FILES) return;
  if (isFile(entry)) found.push(await promised((...calls) => entry.file(...calls)));
  if (!isFolder(entry)) return;
  const reader = entry.createReader();
  const next = (): Promise<FileSystemEntry[]> => promised((...calls) => reader.readEntries(...calls));
  // A reader gives some at a time, and none at the end.
  for (let entries = await next(); entries.length > 0; entries = await next())
    for (const each of entries) await collect(each, found);
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

/** The result of a function that calls back. */
function promised<Result>(
  call: (done: (result: Result) => void, failed: (error: DOMException) => void) => void,
): Promise<Result> {
  return new Promise(call);
}
