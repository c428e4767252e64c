// WebAssembly as this code sees it. The types of Node leave it out, and the browser's library would bring a thousand
// names that do not exist here; a global declaration of our own would clash in programs that do have the browser's.
// So the few members in use are described once, structurally, and every other file imports them from here.

/** A memory that every thread of the process may see. Its size is counted in pages of 64 KiB. */
export interface SharedMemory {
  /** The whole memory. After a `grow`, also one in another thread, this is a new and longer object; older ones stay valid. */
  readonly buffer: SharedArrayBuffer
  grow(pages: number): number
}

/** A memory of one WASM instance. */
export interface PrivateMemory {
  readonly buffer: ArrayBuffer
}

/** A compiled module; instances of it share its machine code. */
export interface WasmModule {
  readonly __wasmModule: never
}

interface WasmEngine {
  validate(bytes: Uint8Array): boolean
  Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory
  Module: new (bytes: Uint8Array) => WasmModule
  Instance: new (
    module: WasmModule,
    imports: { env: Record<string, unknown> },
  ) => { readonly exports: Record<string, unknown> }
}

export const WASM_PAGE_BYTES = 65_536

const engine = (globalThis as unknown as { WebAssembly: WasmEngine }).WebAssembly

/** False under `--jitless`, where the engine has no WebAssembly and nothing else in this file may be called. */
export const hasWasm = engine !== undefined

/** True when the engine knows every instruction in `bytes`, a whole module. */
export const validateWasm = (bytes: Uint8Array): boolean => engine.validate(bytes)

/** Compiles at once; meant for modules of a few KiB. Throws the engine's CompileError. */
export const compileWasm = (bytes: Uint8Array): WasmModule => new engine.Module(bytes)

/** Throws the engine's LinkError when the module wants other imports. */
export const instantiateWasm = (
  module: WasmModule,
  env: Record<string, unknown> = {},
): Record<string, unknown> => new engine.Instance(module, { env }).exports

/** Address space for `pagesMax` pages is reserved; pages cost memory only once they are touched. */
export const createSharedMemory = (pages: number, pagesMax: number): SharedMemory =>
  new engine.Memory({ initial: pages, maximum: pagesMax, shared: true })
