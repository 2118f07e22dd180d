// How the config and its parts read a file's metadata.

/** The part of a file's metadata reader that the config needs (`Metadata` of src/formats/gguf.ts). */
export interface MetadataReader {
  getString(key: string): string;
  getInteger(key: string): number;
  getNumber(key: string): number;
  optionalString(key: string): string | undefined;
  optionalInteger(key: string): number | undefined;
  optionalNumber(key: string): number | undefined;
}
