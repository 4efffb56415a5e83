;;; emacs.el --- Run by main.rs, at the root of the project  -*- lexical-binding: t; -*-

;;; Commentary:

;; Opens $PV_FILE with eglot and the server $PVC and mends it.  Any error ends Emacs with a failure.

;;; Code:

(load (expand-file-name "grammar/emacs/pv-mode.el") nil t)
(require 'eglot)
(require 'flymake)

(setq pv-command (getenv "PVC")
      eglot-sync-connect 60
      eglot-connect-timeout 60
      eglot-autoshutdown nil
      make-backup-files nil)

(defun pv-await (what done)
  "Wait until DONE returns something true; WHAT is waited for."
  (with-timeout (60 (error "Waited for %s: %S\n%s" what (pv-codes) (buffer-string)))
    (while (not (funcall done))
      (accept-process-output nil 0.05))))

(defun pv-codes ()
  "What is found in the buffer, a line each."
  (mapconcat #'flymake-diagnostic-text (flymake-diagnostics) "\n"))

(defun pv-has (text)
  "Whether TEXT stands in the buffer."
  (save-excursion (goto-char (point-min)) (search-forward text nil t)))

(defun pv-go (text)
  "Go to the first character of TEXT."
  (goto-char (point-min))
  (search-forward text)
  (goto-char (match-beginning 0)))

(defun pv-fix ()
  "Apply the first fix at point."
  (let ((action (seq-find (lambda (action) (equal (plist-get action :kind) "quickfix"))
                          (jsonrpc-request (eglot--current-server-or-lose) :textDocument/codeAction
                                           (list :textDocument (eglot--TextDocumentIdentifier)
                                                 :range (list :start (eglot--pos-to-lsp-position)
                                                              :end (eglot--pos-to-lsp-position))
                                                 :context '(:diagnostics []))))))
    (unless action (error "No fix at %s" (point)))
    (eglot--apply-workspace-edit (plist-get action :edit)))
  (eglot--signal-textDocument/didChange))

(find-file (getenv "PV_FILE"))
(unless (eq major-mode 'pv-mode) (error "The mode is %s" major-mode))
(apply #'eglot (eglot--guess-contact))
(flymake-start)
(pv-await "the findings" (lambda () (string-match-p "bytes beside" (pv-codes))))
(unless (string-match-p "barrier" (pv-codes)) (error "Not all is found: %s" (pv-codes)))

(pv-go "fa 91")
(pv-fix)
(pv-await "the fix of the bytes" (lambda () (pv-has "= fa 90")))
(pv-go "cli")
(pv-fix)
(pv-await "the fix of the clobbers" (lambda () (pv-has "clobbers barrier")))
(pv-await "no finding" (lambda () (string-empty-p (pv-codes))))

(pv-go "= fa 90")
(let ((hover (jsonrpc-request (eglot--current-server-or-lose) :textDocument/hover
                              (eglot--TextDocumentPositionParams))))
  (unless (string-match-p "2/6 bytes" (plist-get (plist-get hover :contents) :value))
    (error "The hover is %S" hover)))

(pv-go "xenpv")
(eglot-rename "xen_guest")
(pv-await "the new name" (lambda () (and (not (pv-has "xenpv")) (pv-has "!xen_guest"))))
(eglot-format-buffer)
(eglot--signal-textDocument/didChange)
(pv-await "no finding at the end" (lambda () (string-empty-p (pv-codes))))
(save-buffer)
(eglot-shutdown (eglot--current-server-or-lose))

;;; emacs.el ends here
