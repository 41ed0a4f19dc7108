/** The thread that draws charts, so that the page answers while vega works. */
import { drawLines, type LineChart } from "../../beyond/report/lines.ts";
import { inksFor } from "../../beyond/report/theme.ts";

/** A chart to be drawn, and whom the drawing is for. */
export interface Wanted {
  id: number;
  chart: LineChart;
  /** All names that have a colour of their own on the page, whether or not this chart has them. */
  names: string[];
}

self.onmessage = async ({ data }: MessageEvent<Wanted>) => {
  const { id, chart, names } = data;
  const svg = await drawLines(chart, inksFor(names)).catch((error) => `<!-- ${error} -->`);
  postMessage({ id, svg });
};
