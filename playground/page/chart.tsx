import { useEffect, useRef, useState } from "preact/hooks";
import type { LineChart } from "../../beyond/report/lines.ts";

const drawer = new Worker(new URL("charts.js", import.meta.url), { type: "module" });
const waiting = new Map<number, (svg: string) => void>();
let asked = 0;
drawer.onmessage = ({ data }) => {
  waiting.get(data.id)?.(data.svg);
  waiting.delete(data.id);
};

/** Has another thread draw a chart. */
const draw = (request: object): Promise<string> =>
  new Promise((resolve) => {
    const id = ++asked;
    waiting.set(id, resolve);
    drawer.postMessage({ id, ...request });
  });

/** The drawing of what is wanted last; while one is drawn, what was wanted meanwhile is passed over. */
export function useDrawing<Request extends object>(request: Request, key: string) {
  const [drawn, setDrawn] = useState<{ svg: string; of: Request } | null>(null);
  const state = useRef({ busy: false, drawn: "", wanted: { request, key } });
  state.current.wanted = { request, key };
  useEffect(() => {
    const drawNext = async () => {
      const { current } = state;
      if (current.busy || current.drawn === current.wanted.key) return;
      current.busy = true;
      const { request, key } = current.wanted;
      const svg = await draw(request);
      current.busy = false;
      current.drawn = key;
      setDrawn({ svg, of: request });
      void drawNext();
    };
    void drawNext();
  }, [key]);
  return drawn;
}

interface ChartProps {
  chart: LineChart;
  /** All that have colours on the page. */
  names: string[];
}

/** A chart under its title, once it has lines. */
export function Chart({ chart, names }: ChartProps) {
  const lines = chart.lines.filter(({ points }) => points.length > 0);
  return lines.length > 0 ? <Drawn chart={{ ...chart, lines }} names={names} /> : null;
}

function Drawn({ chart, names }: ChartProps) {
  const drawn = useDrawing({ chart, names }, JSON.stringify([chart.lines, names]));
  return (
    <figure id={chart.id}>
      <figcaption>{chart.title}</figcaption>
      {/* what vega drew of our own numbers and names */}
      <div class="drawing" dangerouslySetInnerHTML={{ __html: drawn?.svg ?? "" }} />
    </figure>
  );
}
