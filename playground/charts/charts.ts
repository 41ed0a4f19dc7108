/** The thread that draws charts, so that the page answers while vega works. */
import { drawMap } from "../../beyond/report/heat.ts";
import { drawLines, type LineChart } from "../../beyond/report/lines.ts";
import { inksFor } from "../../beyond/report/theme.ts";

/** A chart to be drawn, and whom the drawing is for. */
export type Wanted = { id: number } & (
  | {
      chart: LineChart;
      /** All names that have a colour of their own on the page, whether or not this chart has them. */
      names: string[];
    }
  | { map: Parameters<typeof drawMap>[0]; rows: Parameters<typeof drawMap>[1] }
);

const drawn = (wanted: Wanted): Promise<string> =>
  "map" in wanted
    ? drawMap(wanted.map, wanted.rows, "map")
    : drawLines(wanted.chart, inksFor(wanted.names));

self.onmessage = async ({ data }: MessageEvent<Wanted>) => {
  const svg = await drawn(data).catch((error) => `<!-- ${error} -->`);
  // a report's charts tell their values to the keyboard, by a script that is not here
  postMessage({ id: data.id, svg: svg.replace(' tabindex="0"', "") });
};
