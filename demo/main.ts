// The demo page: loads the built-in model, chats with it, and opens models that the reader brings. Here its parts are put together.

import { Chat } from './chat';
import { wireComposer } from './composer';
import { byId, create } from './dom';
import { loadFailure, showUnsupported } from './failure-view';
import { explain } from './failures';
import { acceptFiles } from './file-drop';
import { Loader } from './loader';
import { showFacts } from './model-facts';
import { announce, focusMessage } from './reader';
import { SettingsView } from './settings-view';
import { BUILT_IN, type Source } from './source';

const SUGGESTIONS = [
  'Count from 3 to 9.',
  'Say hello in Japanese.',
  'My name is Ravi.',
  'Tell me a story about a fox named Mia.',
  'Show me a fox emoji.',
  'What is a KV cache?',
];

const page = {
  modelButton: byId('model-button', HTMLButtonElement),
  modelName: byId('model-name', HTMLElement),
  modelPanel: byId('model-panel', HTMLElement),
  modelFacts: byId('model-facts', HTMLDListElement),
  useBuiltIn: byId('embedded', HTMLButtonElement),
  open: byId('open', HTMLButtonElement),
  file: byId('file', HTMLInputElement),
  unsupported: byId('unsupported', HTMLElement),
  hero: byId('hero', HTMLElement),
  chips: byId('chips', HTMLElement),
  chipsTitle: byId('chips-title', HTMLElement),
  hint: byId('hint', HTMLElement),
  alert: byId('alert', HTMLElement),
};

const chat = new Chat(new SettingsView(), {
  asked: () => {
    page.hero.hidden = true;
    page.alert.replaceChildren();
  },
  cleared: () => {
    page.hero.hidden = false;
    page.alert.replaceChildren();
  },
  lost: () => {
    if (loader.current) page.alert.append(retryButton('Load the model again', loader.current.source));
    page.alert.scrollIntoView({ block: 'nearest' });
  },
});

const loader = new Loader({
  changed: updateControls,
  loaded: ({ engine }) => chat.use(engine),
  failed: showFailure,
});

async function load(source: Source): Promise<void> {
  page.alert.replaceChildren();
  await loader.load(source);
  // What had the focus may be gone with the old conversation, or with the Cancel button.
  if (document.activeElement === document.body && page.unsupported.hidden) focusMessage();
}

function showFailure(error: unknown, source: Source): void {
  const { code, message } = explain(error);
  if (code === 'aborted') return announce('Loading was cancelled.');
  if (code === 'webgpu-unavailable') return showUnsupported(message);
  const goOn = loader.current?.engine.info.name;
  page.alert.replaceChildren(loadFailure(error, retryButton('Try again', source), goOn));
  page.alert.scrollIntoView({ block: 'nearest' });
}

function retryButton(label: string, source: Source): HTMLButtonElement {
  const button = create('button', { text: label });
  button.type = 'button';
  button.addEventListener('click', () => {
    focusMessage();
    void load(source);
  });
  return button;
}

/** Brings what the page says of the model in line with the one that is there. */
function updateControls(): void {
  const { current } = loader;
  page.modelButton.hidden = !current;
  if (current) page.modelName.textContent = current.engine.info.name;
  const builtIn = !current || current.source === BUILT_IN;
  page.useBuiltIn.hidden = builtIn;
  page.hint.hidden = !builtIn;
  page.chipsTitle.textContent = builtIn ? 'Things it can do' : 'Things to ask';
  for (const chip of page.chips.querySelectorAll('button')) chip.disabled = !current;
}

wireComposer((text) => chat.ask(text));

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing || document.querySelector(':popover-open')) return;
  chat.stop();
});
byId('new-chat', HTMLButtonElement).addEventListener('click', () => chat.begin());

for (const suggestion of SUGGESTIONS) {
  const chip = create('button', { text: suggestion });
  chip.type = 'button';
  chip.addEventListener('click', () => {
    focusMessage();
    chat.ask(suggestion);
  });
  page.chips.append(create('li', {}, chip));
}

page.modelPanel.addEventListener('beforetoggle', () => {
  if (loader.current) showFacts(page.modelFacts, loader.current.engine.info);
});
page.useBuiltIn.addEventListener('click', () => {
  page.modelPanel.hidePopover();
  void load(BUILT_IN);
});
byId('cancel', HTMLButtonElement).addEventListener('click', () => {
  loader.cancel();
  focusMessage();
});
page.open.addEventListener('click', () => page.file.click());
page.file.addEventListener('change', () => {
  const file = page.file.files?.[0];
  page.file.value = '';
  if (file) void load(file);
});

acceptFiles(
  byId('drop', HTMLElement),
  () => page.unsupported.hidden === true,
  (file) => void load(file),
);
updateControls();
focusMessage();
if ('gpu' in navigator) void load(BUILT_IN);
else showUnsupported('');
