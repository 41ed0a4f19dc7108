import attention from "../../../shaders/attention-tensors.wgsl" with { type: "text" };
import kept from "../../../shaders/kept.wgsl" with { type: "text" };
import linear from "../../../shaders/linear.wgsl" with { type: "text" };
import math from "../../../shaders/math.wgsl" with { type: "text" };
import moved from "../../../shaders/moved.wgsl" with { type: "text" };
import add from "../../../shaders/outputs/add.wgsl" with { type: "text" };
import residual from "../../../shaders/outputs/residual.wgsl" with { type: "text" };
import store from "../../../shaders/outputs/store.wgsl" with { type: "text" };
import row from "../../../shaders/row.wgsl" with { type: "text" };
import weights from "../../../shaders/weights/f32.wgsl" with { type: "text" };
import type { Files } from "../../gpu/wgsl.ts";

/** What the shaders include. */
export const FILES: Files = {
  "attention-tensors.wgsl": attention,
  "kept.wgsl": kept,
  "linear.wgsl": linear,
  "math.wgsl": math,
  "moved.wgsl": moved,
  "outputs/store.wgsl": store,
  "row.wgsl": row,
  "weights/f32.wgsl": weights,
};

/** Where products go, by the name of their kernels: these files take the place of outputs/store.wgsl. */
export const OUTPUTS: Files = { "": store, "+add": add, "+residual": residual };
