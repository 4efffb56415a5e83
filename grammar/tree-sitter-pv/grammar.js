/**
 * @file The .pv language of pvc, for editors.
 *
 * The compiler reads ../pv.pest; this grammar accepts at least all that it accepts and gives a tree that is good to
 * colour, fold and move about in. As there, a clause ends with its line, and a list does not run on over one.
 * Asm bodies are read as well: labels, prefixes, mnemonics and the tokens of operands, in both dialects.
 */

/// <reference types="tree-sitter-cli/dsl" />
// @ts-check

const list = (/** @type {RuleOrLiteral} */ rule) => seq(rule, repeat(seq(',', rule)));
/** A list that may end in a comma. */
const parameters = (/** @type {RuleOrLiteral} */ rule) => seq(list(rule), optional(','));
const groups = (/** @type {RuleOrLiteral} */ rule) => seq(rule, repeat(seq(';', rule)));
/** Clauses, each but the last ended by its line. */
const lines = (/** @type {RuleOrLiteral} */ rule) => seq('{', repeat(seq(rule, '\n')), optional(rule), '}');
/** A regular expression that does not care for the case of letters. */
const folded = (/** @type {string} */ text) => new RustRegex(`(?i)${text}`);

module.exports = grammar({
  name: 'pv',

  word: $ => $.identifier,
  // `/* */` is for asm; the compiler refuses it elsewhere.
  extras: $ => [/\s/, $.comment, $.block_comment],

  // `a, b` begins both `a, b: rax` and `a, b` itself; the `:` decides.
  conflicts: $ => [[$._arch, $._clobber], [$._arch, $._dotted]],

  rules: {
    source_file: $ => repeat(choice($.inner_doc_comment, $.doc_comment, $._item)),
    _item: $ => choice($.patchset, $.feature, $.include, $.op, $.branch),

    // ---- comments and words -------------------------------------------------------------------------------------
    comment: _ => /\/\/([^\/!\n].*|\/\/.*)?/,
    block_comment: _ => /\/\*([^*]|\*+[^*\/])*\*+\//,
    doc_comment: _ => /\/\/\/([^\/\n].*)?/,
    inner_doc_comment: _ => /\/\/!.*/,
    // Before `identifier`: of two matches of one length the earlier rule wins.
    _decorator: _ => folded(
      '%?k[0-7]|z|sae|r[nduz]-sae|1to(2|4|8|16|32)|vex[23]?|evex|rex2?|load|store|disp(8|16|32)|nf|nooptimize'
      + '|dfv=[a-z, ]*',
    ),
    identifier: _ => /[A-Za-z_][A-Za-z0-9_]*/,
    number: _ => /[0-9]+/,
    string: $ => seq('"', optional($.string_content), token.immediate('"')),
    string_content: _ => token.immediate(prec(1, /[^"\n]+/)),
    _arch: $ => alias($.identifier, $.arch),
    _clobber: $ => alias($.identifier, $.clobber),

    // ---- items --------------------------------------------------------------------------------------------------
    include: $ => seq('include', field('path', $.string)),
    feature: $ => seq('feature', field('name', $.identifier)),
    patchset: $ => seq('patchset', field('name', $.identifier), field('body', $.patchset_body)),
    patchset_body: $ => lines($._set_clause),
    _set_clause: $ => choice($.arch_clause, $.abi_clause, $.baseline_clause, $.syntax_clause, $.site_clause),

    arch_clause: $ => seq('arch', list($._arch)),
    abi_clause: $ => seq('abi', field('abi', $.identifier)),
    baseline_clause: $ => seq('baseline', list($.feature_name)),
    syntax_clause: $ => seq('syntax', field('syntax', $.identifier)),
    site_clause: $ => seq('site', groups($.site_group)),
    site_group: $ => seq(optional($._for_arches), list($.site_kind)),
    site_kind: $ => seq($._dotted, optional(seq('(', field('length', $.number), ')'))),
    _for_arches: $ => seq(list($._arch), ':'),
    _dotted: $ => seq($.identifier, repeat(seq(token.immediate('.'), $.identifier))),

    // ---- branch -------------------------------------------------------------------------------------------------
    branch: $ => seq(
      'branch', field('name', $.branch_name), '=', field('value', $.boolean), optional(field('body', $.branch_body)),
    ),
    branch_name: $ => $._dotted,
    boolean: _ => choice('true', 'false'),
    branch_body: $ => lines(choice($.arch_clause, $.live_clause)),

    // ---- op -----------------------------------------------------------------------------------------------------
    op: $ => seq(
      'op',
      field('name', $.op_name),
      field('parameters', $.parameters),
      optional(seq('->', field('returns', $._returns))),
      field('body', $.op_body),
    ),
    op_name: $ => $._dotted,
    parameters: $ => seq('(', optional(parameters($.parameter)), ')'),
    parameter: $ => seq(field('name', $.identifier), ':', $._typed),
    _typed: $ => seq(field('type', alias($.identifier, $.type)), optional(seq('in', field('register', alias($.identifier, $.register))))),
    _returns: $ => choice($.never, alias($._results, $.results), $.parameter, $.result),
    never: _ => '!',
    _results: $ => seq('(', parameters(choice($.parameter, $.result)), ')'),
    result: $ => $._typed,

    op_body: $ => lines($._op_clause),
    _op_clause: $ => choice(
      $.clobbers_clause, $.preserves_clause, $.site_clause, $.default_clause, $.allow_clause, $.live_clause,
      $.nocall_clause, $.partial_clause, $.row,
    ),
    clobbers_clause: $ => seq('clobbers', groups($.clobber_group)),
    clobber_group: $ => seq(optional($._for_arches), list($._clobber)),
    preserves_clause: $ => seq('preserves', list($._clobber)),
    default_clause: $ => seq('default', field('function', $.identifier)),
    allow_clause: $ => seq('allow', '(', field('code', $.identifier), ',', field('reason', $.string), ')'),
    live_clause: _ => 'live',
    nocall_clause: _ => 'nocall',
    partial_clause: _ => 'partial',

    row: $ => seq(
      list($._arch),
      optional(seq('when', field('condition', $._condition))),
      optional($.identity),
      field('asm', $.asm),
      optional(seq('=', field('bytes', $.bytes))),
    ),
    identity: _ => 'identity',
    bytes: $ => seq($.byte_group, repeat(seq('|', $.byte_group))),
    byte_group: $ => repeat1($.byte),
    byte: _ => /[0-9A-Fa-f]{2}|\?\?/,

    // ---- conditions ---------------------------------------------------------------------------------------------
    _condition: $ => choice($.or, $.and, $.not, $.parenthesized, $.feature_name),
    or: $ => prec.left(1, seq($._condition, '||', $._condition)),
    and: $ => prec.left(2, seq($._condition, '&&', $._condition)),
    not: $ => prec(3, seq('!', $._condition)),
    parenthesized: $ => seq('(', $._condition, ')'),
    feature_name: _ => /[A-Za-z0-9_][A-Za-z0-9_.\-]*/,

    // ---- asm ----------------------------------------------------------------------------------------------------
    // A statement ends at `;`, at its line or at a line comment; a label ends nothing.
    asm: $ => seq(
      '{',
      repeat($._separator),
      optional(seq($._statement, repeat(seq(repeat1($._separator), $._statement)), repeat($._separator))),
      '}',
    ),
    _separator: $ => choice(';', '\n', alias($._line_comment, $.comment)),
    _line_comment: _ => token(prec(1, /(#|\/\/).*/)),
    _statement: $ => choice(seq(repeat1($.label), optional($.instruction)), $.instruction),
    label: $ => seq(choice(alias($._asm_word, $.symbol), $.asm_number), ':'),
    // A prefix may stand alone, as in `rep; nop`.
    instruction: $ => choice(
      seq(repeat1(choice($.prefix, $.decorator)), optional($._operation)),
      $._operation,
    ),
    _operation: $ => seq(field('mnemonic', alias($._asm_word, $.mnemonic)), optional(list($.operand))),
    // GNU as manual, i386-Prefixes.
    prefix: _ => folded(
      'lock|rep|repe|repz|repne|repnz|data16|data32|addr16|addr32|xacquire|xrelease|bnd|notrack|[cdefgs]s|rex(64)?x?y?z?',
    ),

    operand: $ => repeat1($._operand_part),
    _operand_part: $ => choice(
      $.asm_register, $.asm_number, alias($._asm_word, $.symbol), $.role, $.decorator, $.asm_string, $.asm_char,
      $.operator, $._group,
    ),
    _group: $ => choice(
      seq('(', repeat(choice($._operand_part, ',')), ')'),
      seq('[', repeat(choice($._operand_part, ',')), ']'),
    ),
    _asm_word: _ => /[A-Za-z_.][A-Za-z0-9_.$]*/,
    asm_register: _ => /%(st\([0-7]\)|[A-Za-z][A-Za-z0-9]*)/,
    // Numbers of every base, and the local labels `1b` and `1f`.
    asm_number: _ => /[0-9][0-9A-Za-z_]*(\.[0-9]+)?/,
    asm_string: _ => /"(\\[^\n]|[^"\\\n])*"/,
    asm_char: _ => /'(\\[^\n]|[^\\\n])'?/,
    operator: _ => /[-+*\/%&|^~<>!=@$:]/,

    // `{flags}`: the register of an operand of the op.
    role: $ => seq('{', field('name', $.identifier), '}'),
    // What the assembler itself writes in braces: pseudo-prefixes, masks, broadcasts, rounding.
    decorator: $ => seq('{', $._decorator, '}'),
  },
});
