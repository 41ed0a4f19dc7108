/**
 * Chat templates are programs for Jinja, whose values are Python's. `@huggingface/jinja` reads and runs them, but
 * much that it writes, compares and strips is JavaScript's: {{ true }} is "true", `rstrip('\n')` strips spaces too,
 * and what a pass of a loop wrote before {% continue %} is lost. Here is what has to differ for a model to be asked
 * what it is asked in transformers; what Jinja refuses is refused.
 */
import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { FIELD_METHODS, FILTERS, GLOBALS, LAZY, METHODS, TESTS, WHOLE } from "./jinja-builtins.ts";
import { generatorOf, goneThrough, range, tupleOf, viewOf } from "./python-iterables.ts";
import { asValue, equal, listOf, str, type Value } from "./python-values.ts";

/** A node of a template as it was read; each type has other fields. */
// biome-ignore lint/suspicious/noExplicitAny: the library does not export the types of its nodes
type Node = { type: string } & Record<string, any>;

/** What the interpreter is made of. Its types call some of it private; its version is fixed in package.json. */
interface Inner {
  evaluate(node: Node | undefined, scope: Environment): Value;
  evaluateBlock(nodes: Node[], scope: Environment): Value;
  evaluateFor(node: Node, scope: Environment): Value;
  evaluateMacro(node: Node, scope: Environment): Value;
  evaluateBinaryExpression(node: Node, scope: Environment): Value;
  evaluateCallExpression(node: Node, scope: Environment): Value;
  evaluateMemberExpression(node: Node, scope: Environment): Value;
  evaluateTestExpression(node: Node, scope: Environment): Value;
  evaluateArguments(nodes: Node[], scope: Environment): [Value[], Map<string, Value>];
  applyFilter(operand: Value, filter: Node, scope: Environment): Value;
}
const Base = Interpreter as unknown as new () => Inner;

/** What is thrown to leave a pass of a loop, with what the pass has written. */
class Left extends Error {
  text = "";
  constructor(readonly node: Node) {
    super(`{% ${node.type.toLowerCase()} %} stands outside of a loop`);
  }
}

const constant = (value: Value): Node => ({ type: "Constant", value });
const VIEWS = ["items", "keys", "values"];
const LISTS = ["ArrayValue", "TupleValue"];
/** Objects of Jinja's own, which it writes otherwise. */
const UNWRITTEN = ["loop", "self", "varargs"];
const LOOP =
  "index index0 revindex revindex0 first last length previtem nextitem depth0 cycle changed".split(
    " ",
  );
const SILENT = ["Set", "Macro", "Comment"];

class PythonInterpreter extends Base {
  override evaluate(node: Node | undefined, scope: Environment): Value {
    switch (node?.type) {
      case "Constant":
        return node.value;
      case "Pass":
        return this.#pass(node, scope);
      case "Break":
      case "Continue":
        throw new Left(node);
      default:
        return super.evaluate(node, scope);
    }
  }

  override evaluateBlock(nodes: Node[], scope: Environment): Value {
    let text = "";
    for (const node of nodes) {
      try {
        if (node.type === "Identifier" && UNWRITTEN.includes(node.value)) {
          throw new Error(`it writes "${node.value}" as text`);
        }
        const value = this.evaluate(node, scope);
        if (!SILENT.includes(node.type)) text += str(value);
      } catch (error) {
        // what a block holds back, to set or to filter it, is lost with it
        if (error instanceof Left) error.text = text + (holdsBack(node) ? "" : error.text);
        throw error;
      }
    }
    return asValue(text);
  }

  override evaluateFor(node: Node, scope: Environment): Value {
    const isFiltered = node.iterable.type === "SelectExpression";
    const given = this.evaluate(isFiltered ? node.iterable.lhs : node.iterable, scope);
    const items = goneThrough(given);
    let known = items;
    if (items.type === "UndefinedValue") known = asValue([]);
    if (items.type === "StringValue") known = asValue([...(items.value as string)]);
    // the library takes apart lists alone
    if (node.loopvar.type === "TupleLiteral" && Array.isArray(known.value)) {
      const asList = (of: Value) => (of.type === "TupleValue" ? listOf(of.value as Value[]) : of);
      known = listOf((known.value as Value[]).map(asList));
    }
    const iterable = isFiltered ? { ...node.iterable, lhs: constant(known) } : constant(known);
    const pass = { type: "Pass", body: node.body, hasElse: node.defaultBlock.length > 0 };
    return super.evaluateFor({ ...node, iterable, body: [pass] }, scope);
  }

  /** One pass of a loop, in a scope of its own. */
  #pass(pass: Node, scope: Environment): Value {
    // thrown by the library itself, whose loops know what to do
    if (pass.left?.type === "Break") return super.evaluate(pass.left, scope);
    try {
      return this.evaluateBlock(pass.body, new Environment(scope));
    } catch (error) {
      if (!(error instanceof Left)) throw error;
      if (error.text === "") return super.evaluate(error.node, scope);
      if (pass.hasElse) throw new Error(`it leaves a pass of a loop with {% else %}, after text`);
      pass.left = error.node;
      return asValue(error.text);
    }
  }

  /** A macro knows what is known where it is written, not where it is called. */
  override evaluateMacro(node: Node, scope: Environment): Value {
    const nothing = super.evaluateMacro(node, scope);
    const macro = scope.lookupVariable(node.name.value);
    const call = macro.value as (args: Value[], from: Environment) => Value;
    const inPlace: typeof call = (args, from) => {
      const own = new Environment(scope);
      const caller = from.variables.get("caller");
      if (caller) own.setVariable("caller", caller);
      return call(args, own);
    };
    Object.assign(macro, { value: inPlace });
    return nothing;
  }

  override evaluateBinaryExpression(node: Node, scope: Environment): Value {
    const operator: string = node.operator.value;
    if (operator === "and" || operator === "or") return super.evaluateBinaryExpression(node, scope);
    const [left, given] = [this.evaluate(node.left, scope), this.evaluate(node.right, scope)];
    const isIn = operator === "in" || operator === "not in";
    const right = isIn ? goneThrough(given) : given;
    const isList = Array.isArray(right.value);
    if (operator === "==") return asValue(equal(left, right));
    if (operator === "!=") return asValue(!equal(left, right));
    if (operator === "~") return asValue(str(left) + str(right));
    if (operator === "in" && isList) return asValue(holds(right, left));
    if (operator === "not in" && isList) return asValue(!holds(right, left));
    const isText = (value: Value) => value.type === "StringValue";
    if (operator === "+" && isText(left) !== isText(right)) {
      throw new Error("it adds a text and something else");
    }
    if (operator === "+" && (isList || Array.isArray(left.value))) return added(left, right);
    const bothNumbers = typeof left.value === "number" && typeof right.value === "number";
    if (bothNumbers && right.value === 0 && ["/", "//", "%"].includes(operator)) {
      throw new Error("it divides by zero");
    }
    const known = { ...node, left: constant(left), right: constant(right) };
    const result = super.evaluateBinaryExpression(known, scope);
    if (operator !== "%" || !bothNumbers) return result;
    // the remainder has the divisor's sign
    const rest = Number(result.value);
    const divisor = Number(right.value);
    if (rest !== 0 && rest < 0 !== divisor < 0) Object.assign(result, { value: rest + divisor });
    return result;
  }

  override evaluateMemberExpression(node: Node, scope: Environment): Value {
    const object = this.evaluate(node.object, scope);
    if (object.type === "UndefinedValue") {
      throw new Error(`it reads ${nameOf(node.property)} of ${nameOf(node.object)}, undefined`);
    }
    const known = { ...node, object: constant(object) };
    if (!node.computed) {
      const name: string = node.property.value;
      const fields = object.type === "ObjectValue" ? (object.value as Map<string, Value>) : null;
      const isLoop = node.object.value === "loop" && fields?.has("revindex0");
      if ((fields?.has(name) && FIELD_METHODS.includes(name)) || (isLoop && !LOOP.includes(name))) {
        throw new Error(`it reads ${nameOf(node.property)}, which has another meaning in Python`);
      }
      return super.evaluateMemberExpression(known, scope);
    }
    if (["GeneratorValue", "ViewValue"].includes(object.type)) {
      throw new Error("it takes by number what is no list");
    }
    if (node.property.type === "SliceExpression") {
      if (object.type === "RangeValue") throw new Error("it takes a part of a range");
      const part = super.evaluateMemberExpression(known, scope);
      return object.type === "TupleValue" ? tupleOf(part.value as Value[]) : part;
    }
    if (object.type !== "StringValue") return super.evaluateMemberExpression(known, scope);
    // by characters, and not by halves of them
    const place = this.evaluate(node.property, scope);
    const characters = { ...known, object: constant(asValue([...(object.value as string)])) };
    const isNumber = place.type === "IntegerValue";
    return super.evaluateMemberExpression(isNumber ? characters : known, scope);
  }

  override evaluateCallExpression(node: Node, scope: Environment): Value {
    const { callee } = node;
    if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") {
      return super.evaluateCallExpression(node, scope);
    }
    const object = this.evaluate(callee.object, scope);
    const name: string = callee.property.value;
    if (!callee.computed && object.type === "ObjectValue" && VIEWS.includes(name)) {
      if (node.args.length > 0) throw new Error(`it gives ${name}() something`);
      return viewOf(object.value as Map<string, Value>, name);
    }
    const method = METHODS.get(name);
    if (callee.computed || !method || object.type !== "StringValue") {
      const known = { ...callee, object: constant(object) };
      return super.evaluateCallExpression({ ...node, callee: known }, scope);
    }
    const [args] = this.evaluateArguments(node.args, scope);
    return asValue(method(object.value as string, args[0] ? str(args[0]) : null));
  }

  override evaluateTestExpression(node: Node, scope: Environment): Value {
    const test = TESTS.get(node.test.value);
    if (!test) return super.evaluateTestExpression(node, scope);
    return asValue(test(this.evaluate(node.operand, scope)) !== node.negate);
  }

  override applyFilter(operand: Value, filter: Node, scope: Environment): Value {
    const isCall = filter.type === "CallExpression";
    const name: string = isCall ? filter.callee.value : filter.value;
    const [args, named] = isCall ? this.evaluateArguments(filter.args, scope) : [[], new Map()];
    const known = WHOLE.includes(name) ? operand : goneThrough(operand);
    const own = FILTERS.get(name)?.(known, (i, name) => args[i] ?? named.get(name));
    const result = own ?? super.applyFilter(known, filter, scope);
    if (name === "dictsort") {
      return listOf((result.value as Value[]).map(({ value }) => tupleOf(value as Value[])));
    }
    // what was found one by one is turned round as a list
    if (name === "reverse" && operand.type === "GeneratorValue") return result;
    const isLazy = LAZY.includes(name) && Array.isArray(result.value);
    return isLazy ? generatorOf(result.value as Value[]) : result;
  }
}

/** One list after the other. */
function added(left: Value, right: Value): Value {
  if (left.type !== right.type || !LISTS.includes(left.type)) {
    throw new Error("it adds a list and something else");
  }
  const items = [left, right].flatMap(({ value }) => value as Value[]);
  return left.type === "TupleValue" ? tupleOf(items) : listOf(items);
}

const holds = (list: Value, value: Value) => (list.value as Value[]).some((of) => equal(of, value));
const holdsBack = ({ type }: Node) => !["If", "For"].includes(type);
const nameOf = ({ value }: Node) => (typeof value === "string" ? `"${value.slice(0, 40)}"` : "it");

/** A chat template. */
export class ChatTemplate {
  readonly #body: Node[];

  /** Throws for a text that is no template. */
  constructor(text: string) {
    this.#body = new Template(text).parsed.body;
  }

  /** What it writes. Throws what the template itself refuses, and what cannot be done as Jinja does it. */
  render(variables: Record<string, unknown>): string {
    const scope = new Environment();
    scope.setVariable("range", range);
    for (const [name, value] of Object.entries({ ...GLOBALS, ...variables })) {
      scope.setVariable(name, asValue(value));
    }
    return new PythonInterpreter().evaluateBlock(this.#body, scope).value as string;
  }
}
