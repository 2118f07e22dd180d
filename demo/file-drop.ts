// Files that are dropped on the page.

/** Calls `load` with a file that is dropped anywhere, while `isWanted`; `overlay` is shown while one is over the page. */
export function acceptFiles(overlay: HTMLElement, isWanted: () => boolean, load: (file: File) => void): void {
  // Counts the elements that a drag is over: entering a child comes before leaving its parent.
  let depth = 0;
  const onDrag = (event: DragEvent, now: number): void => {
    if (!event.dataTransfer?.types.includes('Files') || !isWanted()) return;
    event.preventDefault();
    depth = now;
    overlay.hidden = depth <= 0;
  };
  document.addEventListener('dragenter', (event) => onDrag(event, depth + 1));
  document.addEventListener('dragleave', (event) => onDrag(event, depth - 1));
  document.addEventListener('dragover', (event) => onDrag(event, depth));
  document.addEventListener('drop', (event) => {
    onDrag(event, 0);
    const file = event.dataTransfer?.files[0];
    if (file && isWanted()) load(file);
  });
}
