export { answerWith, startJudge } from "../node/thread.ts";
