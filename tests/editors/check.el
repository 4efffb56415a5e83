;;; check.el --- Run by emacs.rs, at the root of the project  -*- lexical-binding: t; -*-

;;; Commentary:

;; $PV_OUT is a directory with messages.txt; the arguments are valid files, the sample last.  Writes what was found
;; there; any error ends Emacs with a failure.

;;; Code:

(require 'bytecomp)
(require 'compile)
(require 'imenu)
(require 'subr-x)

(defvar pv-check-out (getenv "PV_OUT"))

(defun pv-check-runs ()
  "Each run of characters of one face in the buffer, and the face."
  (goto-char (point-min))
  (let (runs)
    (while (not (eobp))
      (let* ((face (get-text-property (point) 'face))
             (change (next-single-property-change (point) 'face nil (point-max)))
             (end (max (1+ (point)) (min (line-end-position) change)))
             (text (string-trim (buffer-substring-no-properties (point) end))))
        (unless (or (null face) (string-empty-p text))
          (push (format "%d:%s %s\n" (line-number-at-pos) text face) runs))
        (goto-char end)))
    (apply #'concat (nreverse runs))))

(defun pv-check-file (file)
  "Colour and indent FILE; return the colours."
  (with-current-buffer (find-file-noselect file)
    (unless (eq major-mode 'pv-mode)
      (error "%s: the mode is %s" file major-mode))
    (font-lock-ensure)
    ;; Tables are laid out by hand beyond their first column; the shipped ones show the usual look.
    (when (string-prefix-p "patchsets/" file)
      (indent-region (point-min) (point-max))
      (when (buffer-modified-p)
        (error "%s: indenting changes it" file))
      (unless (cdr (imenu--make-index-alist))
        (error "%s: imenu finds nothing" file)))
    (pv-check-runs)))

(defun pv-check ()
  "Check the mode."
  (let ((byte-compile-error-on-warn t)
        (byte-compile-dest-file-function (lambda (_) (expand-file-name "pv-mode.elc" pv-check-out))))
    (unless (byte-compile-file "grammar/emacs/pv-mode.el")
      (error "The mode does not compile without a warning")))
  (load (expand-file-name "pv-mode.elc" pv-check-out) nil t)
  (let ((runs (mapcar #'pv-check-file command-line-args-left)))
    (write-region (car (last runs)) nil (expand-file-name "runs.txt" pv-check-out)))

  ;; What `compile' makes of the messages.
  (with-temp-buffer
    (insert-file-contents (expand-file-name "messages.txt" pv-check-out))
    (setq default-directory pv-check-out)
    (compilation-mode)
    (setq-local compilation-error-regexp-alist '(pvc))
    (compilation--ensure-parse (point-max))
    (goto-char (point-min))
    (let (found)
      (while (< (point) (point-max))
        (let ((message (get-text-property (point) 'compilation-message)))
          (when message
            (let ((place (compilation--message->loc message)))
              (push (format "%d:%d:%s\n" (compilation--loc->line place) (compilation--loc->col place)
                            (if (eq (compilation--message->type message) 1) "W" "E"))
                    found))))
        (goto-char (next-single-property-change (point) 'compilation-message nil (point-max))))
      (write-region (apply #'concat (nreverse found)) nil (expand-file-name "compilation.txt" pv-check-out))))

  ;; eglot knows the server. It is a package of its own before Emacs 29.
  (require 'eglot)
  (with-current-buffer (find-file-noselect (car command-line-args-left))
    (unless (equal (funcall (cdr (assq 'pv-mode eglot-server-programs)) nil) '("pvc" "lsp"))
      (error "eglot does not know the server")))
  (setq command-line-args-left nil))

;;; check.el ends here
