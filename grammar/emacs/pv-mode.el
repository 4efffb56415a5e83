;;; pv-mode.el --- Major mode for patch sets of pvc  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages
;; SPDX-License-Identifier: MIT OR Apache-2.0

;;; Commentary:

;; Colours, indentation, imenu and folding by indentation for .pv files; `eglot' starts `pvc lsp' in them:
;;
;;   (add-to-list 'load-path "/path/to/pvc/grammar/emacs")
;;   (require 'pv-mode)
;;   (add-hook 'pv-mode-hook #'eglot-ensure)
;;
;; `compile' understands the messages of `pvc check'.

;;; Code:

(require 'compile)

(defgroup pv nil
  "Patch sets of pvc."
  :group 'languages)

(defcustom pv-indent-offset 4
  "Columns of a step of indentation."
  :type 'integer
  :safe #'integerp)

(defcustom pv-command "pvc"
  "The compiler: a name to find in `exec-path', or a path."
  :type 'string)

(defconst pv-item-keywords '("patchset" "feature" "include" "op" "branch")
  "Words that begin an item.")

(defconst pv-clause-keywords
  '("arch" "abi" "baseline" "syntax" "site" "clobbers" "preserves" "default" "allow" "live" "nocall" "partial")
  "Words that begin a clause.")

(defconst pv-row-keywords '("when" "identity" "in" "true" "false")
  "Words inside of a row, a signature or a branch.")

(defconst pv-arches '("x86_64" "i386" "x86")
  "Names of arches.")

(defconst pv-types '("word" "u8" "u16" "u32" "u64" "ptr" "bool")
  "Names of types.")

(defconst pv-effects
  '("flags" "memory" "barrier" "caller_saved" "none" "vector" "if" "df" "ac" "uif" "mxcsr" "fpcw")
  "What may be clobbered besides registers.")

(defconst pv-values '("kernel" "user" "att" "intel")
  "Values of the clauses abi and syntax.")

(defconst pv-prefixes
  '("lock" "rep" "repe" "repz" "repne" "repnz" "data16" "data32" "addr16" "addr32" "xacquire" "xrelease" "bnd"
    "notrack")
  "Instruction prefixes.")

;;;; Syntax

(defvar pv-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?_ "_" table)
    (modify-syntax-entry ?. "_" table)
    (modify-syntax-entry ?/ ". 124b" table)
    (modify-syntax-entry ?* ". 23" table)
    (modify-syntax-entry ?\n "> b" table)
    (modify-syntax-entry ?\" "\"" table)
    (modify-syntax-entry ?\\ "\\" table)
    (dolist (char '(?% ?$ ?& ?| ?= ?! ?+ ?- ?< ?> ?? ?'))
      (modify-syntax-entry char "." table))
    table)
  "Comments are those of C++; those of asm are marked by `pv--propertize'.")

(defun pv--in-asm-p (position)
  "Whether POSITION is in an asm body: two braces deep or more."
  (let ((depth 0))
    (dolist (open (nth 9 (save-excursion (syntax-ppss position))))
      (when (eq (char-after open) ?{)
        (setq depth (1+ depth))))
    (> depth 1)))

(defun pv--code-p (position)
  "Whether POSITION is neither in a comment nor in a string."
  (not (nth 8 (save-excursion (syntax-ppss position)))))

(defun pv--propertize (start end)
  "Mark the `#' comments and character constants of asm between START and END."
  (goto-char start)
  (while (re-search-forward "#\\|'\\(?:\\\\.\\|[^\\\n]\\)'?" end t)
    (let ((from (match-beginning 0)) (to (match-end 0)))
      (when (and (pv--code-p from) (pv--in-asm-p from))
        (if (eq (char-after from) ?#)
            (put-text-property from to 'syntax-table (string-to-syntax "< b"))
          ;; A brace or quote in a character constant is none.
          (put-text-property from to 'syntax-table (string-to-syntax ".")))))))

(defun pv--syntactic-face (state)
  "The face of the comment or string that STATE is in."
  (cond ((nth 3 state) 'font-lock-string-face)
        ((save-excursion
           (goto-char (nth 8 state))
           (and (looking-at "//!\\|///\\(?:[^/]\\|$\\)") (not (pv--in-asm-p (point)))))
         'font-lock-doc-face)
        (t 'font-lock-comment-face)))

;;;; Colours

(defun pv--finder (regexp in-asm)
  "A font-lock matcher of REGEXP: in asm bodies if IN-ASM, else outside of them."
  (lambda (limit)
    (let (found)
      (while (and (not found) (re-search-forward regexp limit t))
        (let ((data (match-data))
              ;; The last character tells best: a match may begin with the brace that opens the body.
              (at (max (point-min) (1- (match-end 0)))))
          (setq found (and (eq (and (pv--in-asm-p at) t) in-asm) (pv--code-p at)))
          (set-match-data data)))
      found)))

(defun pv--words (words)
  "A regular expression of WORDS, whole and as group 1."
  (concat "\\_<" (regexp-opt words t) "\\_>"))

(defvar pv-font-lock-keywords
  (append
   (mapcar
    (lambda (rule) (cons (pv--finder (car rule) nil) (cdr rule)))
    `(("^[ \t]*\\_<\\(op\\|branch\\)\\_>\\(?:[ \t]+\\([[:alnum:]_.]+\\)\\)?"
       (1 'font-lock-keyword-face) (2 'font-lock-function-name-face nil t))
      (,(concat "^[ \t]*" (pv--words pv-item-keywords) "\\(?:[ \t]+\\([[:alnum:]_]+\\)\\)?")
       (1 'font-lock-keyword-face) (2 'font-lock-constant-face nil t))
      ;; Before the words: a feature or operand may be named like one.
      ("\\_<when\\_>"
       (0 'font-lock-keyword-face)
       ("[[:alnum:]_][[:alnum:]_.-]*"
        (save-excursion (if (re-search-forward "{" (line-end-position) t) (match-beginning 0) (line-end-position)))
        nil (0 (unless (string= (match-string 0) "identity") 'font-lock-variable-name-face))))
      ("\\(?:&&\\|||\\)[ \t!(]*\\([[:alnum:]_][[:alnum:]_.-]*\\)" (1 'font-lock-variable-name-face))
      ("\\_<\\(in\\)[ \t]+\\([[:alpha:]_][[:alnum:]_]*\\)" (1 'font-lock-keyword-face) (2 'font-lock-builtin-face))
      ("\\([[:alpha:]_][[:alnum:]_]*\\)[ \t]*:" (1 (unless (member (match-string 1) pv-arches)
                                                     'font-lock-variable-name-face)))
      (,(concat "\\(?:^\\|{\\)[ \t]*" (pv--words pv-clause-keywords)) (1 'font-lock-keyword-face))
      (,(pv--words pv-row-keywords) (1 'font-lock-keyword-face))
      (,(pv--words pv-types) (1 'font-lock-type-face))
      (,(pv--words pv-arches) (1 'font-lock-constant-face))
      (,(pv--words pv-effects) (1 'font-lock-builtin-face))
      (,(concat "^[ \t]*\\(?:abi\\|syntax\\)[ \t]+" (pv--words pv-values)) (1 'font-lock-constant-face))
      ("^[ \t]*\\_<\\(site\\|baseline\\)\\_>"
       ("[[:alpha:]_][[:alnum:]_.]*" nil nil (0 'font-lock-constant-face)))
      ;; Bytes: after `=' or `|', or on a line of their own.
      ("^[ \t]*\\(\\(?:\\(?:[[:xdigit:]]\\{2\\}\\|[?][?]\\)[ \t|]*\\)+\\)\\(?:$\\|//\\)" (1 'font-lock-constant-face))
      ("[=|][ \t]*\\_<[[:xdigit:]?]"
       ("[[:xdigit:]]\\{2\\}\\_>\\|[?][?]" (progn (goto-char (1+ (match-beginning 0))) nil) nil
        (0 'font-lock-constant-face)))))
   (mapcar
    (lambda (rule) (cons (pv--finder (car rule) t) (cdr rule)))
    `(("{\\([[:alpha:]_][[:alnum:]_]*\\)}" (0 'font-lock-preprocessor-face))
      ("%[[:alnum:]]+" (0 'font-lock-variable-name-face))
      ("\\(?:^\\|[{;]\\)[ \t]*\\([[:alnum:]_.$]+\\):" (1 'font-lock-constant-face))
      (,(concat "\\(?:^\\|[{;:]\\)[ \t]*" (pv--words pv-prefixes)) (1 'font-lock-type-face))
      (,(concat "\\(?:^[ \t]*\\|[{;][ \t]*\\|[:}][ \t]+\\)\\(?:" (pv--words pv-prefixes) "[ \t]+\\)*"
                "\\([[:alpha:]_.][[:alnum:]_.$]*\\)")
       (2 'font-lock-builtin-face)))))
  "Colours, first outside of asm bodies, then in them.")

;;;; Indentation

(defun pv-indent-line ()
  "Indent by the braces and parentheses that are open at the start of the line."
  (interactive)
  (let ((offset (- (current-column) (current-indentation)))
        (depth (save-excursion
                 (back-to-indentation)
                 (let ((state (syntax-ppss)))
                   (unless (nth 3 state)
                     (- (car state) (if (looking-at "[})]") 1 0)))))))
    (when depth
      (indent-line-to (* pv-indent-offset (max 0 depth)))
      (when (> offset 0)
        (forward-char offset)))))

;;;; The mode

(defvar pv-imenu-expression
  '((nil "^[ \t]*op[ \t]+\\([[:alnum:]_.]+\\)" 1)
    ("Branches" "^[ \t]*branch[ \t]+\\([[:alnum:]_.]+\\)" 1)
    ("Features" "^[ \t]*feature[ \t]+\\([[:alnum:]_]+\\)" 1)
    ("Patch sets" "^[ \t]*patchset[ \t]+\\([[:alnum:]_]+\\)" 1)))

;;;###autoload
(define-derived-mode pv-mode prog-mode "pv"
  "Major mode for patch sets of pvc."
  (setq-local comment-start "// "
              comment-end ""
              comment-start-skip "\\(?://+!?\\|#\\)[ \t]*"
              indent-tabs-mode nil
              indent-line-function #'pv-indent-line
              electric-indent-chars (append '(?} ?\)) electric-indent-chars)
              syntax-propertize-function #'pv--propertize
              font-lock-defaults '(pv-font-lock-keywords nil nil nil
                                   (font-lock-syntactic-face-function . pv--syntactic-face))
              imenu-generic-expression pv-imenu-expression)
  (setq-local compile-command
              (concat pv-command " check "
                      (if buffer-file-name (shell-quote-argument (file-name-nondirectory buffer-file-name)) ""))))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.pv\\'" . pv-mode))

;; error[PV0401]: MESSAGE
;;    ┌─ FILE:LINE:COLUMN
(add-to-list 'compilation-error-regexp-alist-alist
             '(pvc "^\\(?:error\\|\\(warning\\)\\)\\[PV[0-9]+]: .*\n +┌─ \\(.+\\):\\([0-9]+\\):\\([0-9]+\\)$"
                   2 3 4 (1)))
(add-to-list 'compilation-error-regexp-alist 'pvc)

(defvar eglot-server-programs)
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs (cons 'pv-mode (lambda (&rest _) (list pv-command "lsp")))))

(provide 'pv-mode)

;;; pv-mode.el ends here
