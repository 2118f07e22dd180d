// The chat with the model that is loaded: asks, stops, takes back, begins anew and saves, and keeps the page in line with it.

import type { ChatMessage, Engine, GenerateChunk, SampledLogprob } from '../src/index';
import { ChatView } from './chat-view';
import { ContextView } from './context-view';
import { Conversation, textOf, turnsOf } from './conversation';
import { byId, create } from './dom';
import { explain } from './failures';
import type { KeptConversation } from './history/conversation-store';
import { announce, focusMessage } from './reader';
import type { SettingsView } from './settings-view';

/** What the rest of the page does about the chat. */
export interface ChatEvents {
  /** A question was asked: what the page said before it is over. */
  asked: () => void;
  /** An answer has ended: this is the conversation now. */
  answered: (conversation: KeptConversation) => void;
  /** The conversation on the page is gone. */
  cleared: () => void;
  /** The engine is of no more use: its device or its worker is lost. */
  lost: () => void;
}

export class Chat {
  readonly #view = new ChatView(byId('log', HTMLElement), {
    resend: (index, text) => void this.#resend(index, text),
    goOn: (index, beginning) => void this.#goOn(index, beginning),
    show: (branch) => this.#show(branch),
  });
  readonly #context = new ContextView();
  readonly #send = byId('send', HTMLButtonElement);
  readonly #stop = byId('stop', HTMLButtonElement);
  readonly #export = byId('export', HTMLButtonElement);
  #engine: Engine | undefined;
  #conversation: Conversation | undefined;
  /** Names the conversation among those that are kept. */
  #id = crypto.randomUUID() as string;
  /** Ends the answer that is being written. */
  #answering: AbortController | undefined;

  constructor(
    private readonly settings: SettingsView,
    private readonly events: ChatEvents,
  ) {
    this.#stop.addEventListener('click', () => this.stop());
    this.#export.addEventListener('click', () => this.#save());
    this.#updateControls();
  }

  /** Begins a conversation with another model. The sessions of the one before go with its engine. */
  use(engine: Engine): void {
    this.stop();
    this.#engine = engine;
    this.#restart(engine);
    this.#clear();
  }

  /** Asks, unless there is no model or an answer is under way, which it says; whether it asks. */
  ask(text: string): boolean {
    if (!this.#engine) announce('The model is not loaded yet.');
    else if (this.#answering) announce('Wait for the answer, or stop it first.');
    else {
      void this.#answer(text);
      return true;
    }
    return false;
  }

  /** Ends the answer that is being written, if there is one. */
  stop(): void {
    this.#answering?.abort();
  }

  begin(): void {
    focusMessage();
    if (!this.#engine) return;
    this.stop();
    this.#restart(this.#engine);
    this.#clear();
    focusMessage();
    announce('New chat.');
  }

  /** Goes on with a conversation of an earlier visit, with the model that is there now. */
  reopen({ id, messages, settings }: KeptConversation): void {
    if (!this.#engine) return announce('The model is not loaded yet.');
    this.stop();
    this.settings.use(settings);
    const [first, ...others] = messages;
    const system = first?.role === 'system' ? textOf(first.content) : '';
    this.#restart(this.#engine, system, first?.role === 'system' ? others : messages);
    this.#id = id;
    this.#clear();
    this.events.asked();
    this.#view.restore(turnsOf(messages));
    this.#updateControls();
    focusMessage();
    announce('The conversation is open again.');
  }

  async #answer(text: string): Promise<void> {
    if (!this.#engine || !this.#conversation) return;
    // A system prompt that was written before anything was said counts at once.
    const { system } = this.settings.value;
    if (this.#conversation.length === 0 && this.#conversation.system !== system) this.#restart(this.#engine);
    const conversation = this.#conversation;
    await this.#follow(text, (signal) => conversation.ask(text, this.settings.value, signal));
  }

  /** Shows an answer as it comes; one that goes on from an older one begins with tokens of that. */
  async #follow(
    question: string,
    ask: (signal: AbortSignal) => AsyncIterable<GenerateChunk>,
    beginning: readonly SampledLogprob[] = [],
  ): Promise<void> {
    const control = new AbortController();
    this.#answering = control;
    this.events.asked();
    const answer = this.#view.addTurn(question);
    this.#updateControls();
    answer.begin(beginning);
    try {
      for await (const chunk of ask(control.signal)) answer.add(chunk);
      if (this.#answering === control)
        announce(control.signal.aborted ? `Stopped. ${answer.text}` : answer.text);
    } catch (error) {
      const { code, message } = explain(error);
      answer.fail(message);
      if (this.#answering !== control) return;
      announce(`The answer failed. ${message}`);
      if (code === 'device-lost' || code === 'worker-lost') this.events.lost();
    } finally {
      this.#ended(control);
    }
  }

  /** Takes back turn `index` with all behind it, and asks `text` in its place. */
  async #resend(index: number, text: string): Promise<void> {
    await this.#change(
      (conversation) => conversation.takeBack(index),
      () => this.#view.removeFrom(index),
      async () => void this.ask(text),
    );
  }

  /** Goes on from a beginning of the answer to turn `index`. The branch that is left can be shown again. */
  async #goOn(index: number, beginning: readonly SampledLogprob[]): Promise<void> {
    if (this.#answering) return announce('Wait for the answer, or stop it first.');
    const tokenIds = beginning.map(({ tokenId }) => tokenId);
    const question = this.#view.questionOf(index);
    await this.#change(
      (conversation) => conversation.branch(index),
      () => this.#view.branch(index),
      (conversation) => {
        const how = { ...this.settings.value, tokens: true };
        const ask = (signal: AbortSignal): AsyncIterable<GenerateChunk> =>
          conversation.goOn(question, tokenIds, how, signal);
        return this.#follow(question, ask, beginning);
      },
    );
  }

  /** Changes the conversation, during which nobody can ask or take back anything else, and the page with it; then answers. */
  async #change(
    prepare: (conversation: Conversation) => Promise<unknown>,
    show: () => void,
    answer: (conversation: Conversation) => Promise<void>,
  ): Promise<void> {
    const conversation = this.#conversation;
    if (!conversation || this.#answering) return;
    const control = new AbortController();
    this.#answering = control;
    this.#updateControls();
    try {
      await prepare(conversation);
    } catch (error) {
      announce(`The conversation could not be changed. ${explain(error).message}`);
      return;
    } finally {
      this.#ended(control);
    }
    if (this.#conversation !== conversation) return;
    show();
    focusMessage();
    // It may have been stopped before it began.
    if (!control.signal.aborted) await answer(conversation);
  }

  #show(branch: number): void {
    if (!this.#conversation || this.#answering) return;
    this.#conversation.show(branch);
    this.#view.show(branch);
    this.#updateControls();
    this.#tell();
  }

  /** Begins a conversation in place of the one that is there. */
  #restart(engine: Engine, system = this.settings.value.system, messages: readonly ChatMessage[] = []): void {
    this.#conversation?.dispose().catch(() => undefined);
    this.#conversation = new Conversation(engine, system, messages);
    this.#id = crypto.randomUUID();
  }

  /** Saves the conversation as a Markdown file. */
  #save(): void {
    if (!this.#engine || !this.#conversation) return;
    const text = this.#conversation.export(this.#engine.info.name);
    const link = create('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }));
    link.download = 'conversation.md';
    link.click();
    URL.revokeObjectURL(link.href);
  }

  #clear(): void {
    this.#answering = undefined;
    this.#view.clear();
    this.events.cleared();
    window.scrollTo({ top: 0, behavior: 'instant' });
    this.#updateControls();
  }

  #ended(control: AbortController): void {
    if (this.#answering !== control) return;
    this.#answering = undefined;
    this.#updateControls();
    this.#tell();
  }

  /** Hands out the conversation as it is to be kept, if anything was said. */
  #tell(): void {
    const messages = [...(this.#conversation?.messages ?? [])];
    const question = messages.find(({ role }) => role === 'user');
    if (!question || !this.#engine) return;
    this.events.answered({
      id: this.#id,
      title: textOf(question.content),
      model: this.#engine.info.name,
      changedAt: Date.now(),
      settings: this.settings.value,
      messages,
    });
  }

  /** Brings buttons in line with the state; a button that goes hands its focus to the message box. */
  #updateControls(): void {
    const focused = document.activeElement;
    const busy = this.#answering !== undefined;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    this.#send.disabled = !this.#engine;
    this.#export.disabled = !this.#conversation || this.#conversation.length === 0;
    this.#view.setBusy(busy);
    this.#view.showMemory(this.#conversation?.forgotten ?? 0);
    this.#context.show(this.#conversation?.context, busy);
    if (focused === this.#send || focused === this.#stop) focusMessage();
  }
}
