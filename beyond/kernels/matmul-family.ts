import { type Files, include } from "../../lib/gpu/wgsl.ts";
import { LEAST_PARTIAL } from "../../lib/model/activations.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import type { Dtype } from "../storage/precision.ts";
import type { WeightFormat } from "../storage/weight-formats.ts";
import rangeSource from "./f16-range.wgsl" with { type: "text" };
import largestSource from "./matmul-largest.wgsl" with { type: "text" };
import type { AdapterKind, Requiring, SubgroupMatrix } from "./subgroups.ts";

/** The products of a linear layer y = x W^T, as shaders/matmul.wgsl has them. */
export const PRODUCTS: readonly Product[] = ["forward", "backwardInput", "backwardWeight"];

/** beyond/kernels/matmul-largest.wgsl, for families that round dy, and the partial maxima that it leaves. */
export const LARGEST_SOURCE = include(largestSource, { "f16-range.wgsl": rangeSource });
export const LARGEST_PARTS = LEAST_PARTIAL;

/** A product of x[T, K] and W[N, K] but for T: all that the order of its sums may depend on. */
export interface MatmulShape {
  readonly product: Product;
  readonly K: number;
  readonly N: number;
  /** Of W; gradients of W are f32. */
  readonly format: WeightFormat;
  /** Of x, also in backwardInput, which has no x: where activations are f32, dy is never rounded. */
  readonly dtype: Dtype;
}

/** Constants a family is compiled with. */
export interface Tile {
  /** Unique in its family. */
  readonly name: string;
  readonly constants: Readonly<Record<string, number>>;
  /** The same for the backward pass, where it differs. */
  readonly backward?: Readonly<Record<string, number>>;
  /** The shader, where it is not that of the family. */
  readonly source?: string;
  /** Whether it is long in compiling on SwiftShader, which is worth it for much work alone. */
  readonly compilesSlowly?: boolean;
  /** Lanes that the adapter's subgroups must have. */
  readonly lanes?: number;
  /** Whether workgroups that follow each other make rows that do, and not columns. */
  readonly rowsFirst?: boolean;
  /** Rows and columns of outputs that a workgroup makes. */
  readonly outputs: readonly [number, number];
}

/**
 * A matmul with one order of adding: the tiles of a family give the same bits, and may be chosen by
 * the rows in flight. Two families may differ in bits, so that a shape has one for all its row classes.
 */
export interface Family<Name extends string> extends Requiring {
  readonly name: Name;
  /** Its kernels are called by this and the tile. */
  readonly shader: string;
  readonly source: string;
  /** What its shaders include beside the files of the core. */
  readonly files?: Files;
  readonly tiles: readonly Tile[];
  /** What an adapter has of its tiles by row class, where tuning says nothing; one name is for all classes. */
  builtIn(kind: AdapterKind, subgroupLanes: number): string;
  /** The same in words, if not as workgroups. */
  describe?(tiles: string): string;
  /** Invocations and bytes of workgroup memory of the largest tile. */
  readonly limits: { readonly invocations: number; readonly sharedBytes: number };
  /** Whether it rounds dy to f16, as a share of its largest magnitude. */
  readonly roundsGradients?: boolean;
  /** Whether it makes products of this shape; what it does not, `tiled` does. */
  makes(shape: MatmulShape): boolean;
  /** The constants of a tile where they depend on the adapter's matrices. */
  fit?(constants: Tile["constants"], matrix: SubgroupMatrix): Tile["constants"];
}
