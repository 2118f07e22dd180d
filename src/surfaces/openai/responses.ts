// POST /v1/responses, without a state: nothing is kept from one request to the next, as with `store: false`.

import { tellSystem } from '../structured-output';
import { badRequest } from './api-error';
import { answer, isRefusable, type Job, type Model } from './answers';
import type { StreamEvent } from './event-stream';
import type { Exchange } from './exchange';
import { isRecord, type Fields } from './fields';
import { readMaxTokens, readSampling } from './generate-options';
import { readConversation } from './response-input';
import { ResponseWriter, type ResponseEvent } from './response-writer';
import { readResponseFormat, RESPONSE_FORMAT, shapeBeside, type Shape } from './shapes';
import { readTools, RESPONSE_TOOLS } from './tools';

interface ResponseRequest {
  job: Job;
  stream: boolean;
  /** What the response repeats of the request. */
  echo: object;
}

/** Reads a request for a response. */
export function response(fields: Fields, model: Model): Exchange {
  const request = readRequest(fields, model);
  const refusable = isRefusable(request.job);
  const makeWriter = (): ResponseWriter => new ResponseWriter(request.echo, model.id);
  let written = 0;
  return {
    stream: request.stream,
    refusable,
    async whole(signal) {
      const writer = makeWriter();
      const events = writer.write(answer(model, request.job, signal), refusable);
      while (!(await events.next()).done);
      return writer.object();
    },
    async *events(signal) {
      const pieces = answer(model, request.job, signal);
      for await (const data of makeWriter().write(pieces, refusable)) {
        yield eventOf({ ...data, sequence_number: written++ });
      }
    },
    failure: ({ message, param, code }) =>
      eventOf({ type: 'error', message, param, code, sequence_number: written++ }),
    sentinel: false,
  };
}

function eventOf(data: ResponseEvent & { sequence_number: number }): StreamEvent {
  return { name: data.type, data };
}

function readRequest(fields: Fields, { engine: { info } }: Model): ResponseRequest {
  refuseState(fields);
  const stream = fields.flag('stream') ?? false;
  const maxTokens = readMaxTokens(fields, ['max_output_tokens'], 1);
  const logprobs = readLogprobs(fields);
  const truncation = fields.text('truncation') ?? 'disabled';
  if (truncation !== 'disabled' && truncation !== 'auto')
    throw fields.wrong('truncation', "'auto' or 'disabled'");
  const metadata = fields.take('metadata');
  const tools = readTools(fields, info, RESPONSE_TOOLS);
  const shape = shapeBeside(readText(fields), tools);
  const sampling = readSampling(fields, info);
  const conversation = readConversation(fields);
  const job: Job = {
    prompt: shape?.words === undefined ? conversation : tellSystem(conversation, shape.words),
    sampling: {
      ...sampling,
      ...(maxTokens !== undefined && { maxTokens }),
      ...(logprobs !== undefined && { logprobs }),
      ...(truncation === 'auto' && { contextOverflow: 'truncate-middle' as const }),
    },
    shape,
    tools,
    choices: 1,
  };
  readStreamOptions(fields);
  fields.done();
  const echo = {
    instructions: fields.take('instructions') ?? null,
    metadata: isRecord(metadata) ? metadata : {},
    max_output_tokens: maxTokens ?? null,
    temperature: sampling.temperature,
    top_p: sampling.topP ?? 1,
    tools: fields.take('tools') ?? [],
    tool_choice: fields.take('tool_choice') ?? 'auto',
    parallel_tool_calls: fields.take('parallel_tool_calls') ?? true,
    text: { format: fields.object('text')?.take('format') ?? { type: 'text' } },
    truncation,
  };
  return { job, stream, echo };
}

/** What would need an earlier response, or leave this one to be asked for later. */
function refuseState(fields: Fields): void {
  if (fields.text('previous_response_id') !== undefined) {
    const message =
      'previous_response_id is not supported: nothing is stored. Send the whole conversation as input.';
    throw badRequest(fields.at('previous_response_id'), message);
  }
  if (fields.flag('background')) throw badRequest(fields.at('background'), 'background is not supported.');
}

function readLogprobs(fields: Fields): number | undefined {
  const include = fields.list('include') ?? [];
  const known = 'message.output_text.logprobs';
  if (include.some((each) => each !== known))
    throw fields.wrong('include', `a list of nothing but '${known}'`);
  const top = fields.integer('top_logprobs', { min: 0, max: 20 });
  return include.length > 0 ? (top ?? 0) : top;
}

/** The shape that `text.format` asks for. */
function readText(fields: Fields): Shape | undefined {
  const text = fields.object('text');
  if (!text) return undefined;
  const shape = readResponseFormat(text, 'format', RESPONSE_FORMAT);
  text.ignore('verbosity');
  text.done();
  return shape;
}

/** There is nothing to choose: usage is part of every response, and nothing is obfuscated. */
function readStreamOptions(fields: Fields): void {
  const options = fields.object('stream_options');
  options?.flag('include_obfuscation');
  options?.done();
}
