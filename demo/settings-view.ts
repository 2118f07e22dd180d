// The panel of settings: how answers are generated, and what the system says first.

import { DEFAULT_SETTINGS, type Settings } from './conversation';
import { byId } from './dom';

const KEY = 'ternion-demo-settings';

/** Reads settings from the panel's fields, and keeps them for the next visit where the browser lets it. */
export class SettingsView {
  readonly #system = byId('system', HTMLTextAreaElement);
  readonly #temperature = byId('temperature', HTMLInputElement);
  readonly #temperatureValue = byId('temperature-value', HTMLElement);
  readonly #topP = byId('top-p', HTMLInputElement);
  readonly #topPValue = byId('top-p-value', HTMLElement);
  readonly #seed = byId('seed', HTMLInputElement);
  readonly #tokens = byId('show-tokens', HTMLInputElement);

  constructor() {
    this.#put({ ...DEFAULT_SETTINGS, ...kept() });
    for (const field of [this.#system, this.#temperature, this.#topP, this.#seed, this.#tokens])
      field.addEventListener('input', () => {
        this.#say();
        keep(this.value);
      });
    this.#say();
  }

  get value(): Settings {
    return {
      system: this.#system.value.trim(),
      temperature: this.#temperature.valueAsNumber,
      topP: this.#topP.valueAsNumber,
      seed: Number.isInteger(this.#seed.valueAsNumber) ? this.#seed.valueAsNumber : undefined,
      tokens: this.#tokens.checked,
    };
  }

  /** Takes the settings of a conversation that is opened again. */
  use(settings: Settings): void {
    this.#put(settings);
    this.#say();
    keep(this.value);
  }

  #put({ system, temperature, topP, seed, tokens }: Settings): void {
    this.#system.value = system;
    this.#temperature.valueAsNumber = temperature;
    this.#topP.valueAsNumber = topP;
    this.#seed.value = seed === undefined ? '' : String(seed);
    this.#tokens.checked = tokens;
  }

  #say(): void {
    const { temperature, topP } = this.value;
    say(this.#temperature, this.#temperatureValue, temperature === 0 ? '0, greedy' : temperature.toFixed(1));
    say(this.#topP, this.#topPValue, topP === 1 ? '1, all' : topP.toFixed(2));
  }
}

function say(slider: HTMLInputElement, shown: HTMLElement, text: string): void {
  shown.textContent = text;
  slider.setAttribute('aria-valuetext', text);
}

/** What was kept, field by field, as far as it is of the right type; nothing where the page may keep nothing. */
function kept(): Partial<Settings> {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Record<string, unknown>;
    const { system, temperature, topP, seed, tokens } = found;
    return {
      ...(typeof system === 'string' && { system }),
      ...(typeof temperature === 'number' && { temperature }),
      ...(typeof topP === 'number' && { topP }),
      ...(typeof seed === 'number' && { seed }),
      ...(typeof tokens === 'boolean' && { tokens }),
    };
  } catch {
    return {};
  }
}

function keep(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Then they are gone with the page.
  }
}
