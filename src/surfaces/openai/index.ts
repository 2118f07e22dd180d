// `ternion/openai`: code that was written for OpenAI's API runs on an engine, unchanged.

export { createFetch, type CreateFetchOptions, type EngineFor, type Fetch } from './create-fetch';
