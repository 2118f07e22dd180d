// An engine whose answers can be held to grammars, in the thread of the test.
import { readFileSync } from 'node:fs';
import { EngineHost } from '../../src/engine/engine-host';
import type { LocalLoadOptions } from '../../src/plan/load-options';
import { requestDevice } from './dawn';
import { inProcess } from './grammar-threads';

/** The embedded model, with the variants that come first. */
export async function shapedEngine(options: LocalLoadOptions = {}): Promise<EngineHost> {
  const engine = new EngineHost(() => requestDevice());
  engine.useGrammarThreads(inProcess);
  const bytes = new Uint8Array(readFileSync('public/models/ternion-tiny-i2_s.gguf'));
  await engine.load(bytes, { tuning: false, ...options });
  return engine;
}

/** A template of the kind that Hermes and Qwen have, in the words that the embedded model was trained with. */
export const TOOLS_TEMPLATE = `{%- if tools %}{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCall tools as <tool_call>' }}{% for tool in tools %}{{ ' ' + tool.function.name }}{% endfor %}{{ '<|eot_id|>' }}{% endif -%}
{%- for message in messages %}{{ message.role | capitalize + ': ' }}{% if message.content %}{{ message.content }}{% endif %}{% for call in message.tool_calls or [] %}{{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}{{ '<|eot_id|>' }}{% endfor -%}
{%- if add_generation_prompt %}{{ 'Assistant: ' }}{% endif -%}`;
