-- For `vim.lsp.enable('pvc')`, Neovim 0.11 and later. Older ones: see lua/pvc.lua.
return {
  cmd = { 'pvc', 'lsp' },
  filetypes = { 'pv' },
  root_markers = { '.git' },
}
