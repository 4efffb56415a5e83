-- Patch sets in Neovim 0.7 and later:
--
--   require('pvc').setup()                            -- `pvc` on PATH
--   require('pvc').setup({ cmd = { '/path/to/pvc', 'lsp' }, on_attach = function(client, buffer) ... end })
--
-- Each .pv buffer is attached to one `pvc lsp` per root directory, and coloured by tree-sitter where its parser is
-- installed (parser/pv.so on the runtimepath; see ../../README.md).
local M = {}

-- Servers by root, for the versions without vim.lsp.start.
local clients = {}

local function root_of(file)
  local dir = vim.fn.fnamemodify(file, ':p:h')
  local git = vim.fn.finddir('.git', vim.fn.escape(dir, ' ;,') .. ';')
  if git == '' then
    git = vim.fn.findfile('.git', vim.fn.escape(dir, ' ;,') .. ';')
  end
  return git == '' and dir or vim.fn.fnamemodify(git, ':p:s?/$??:h')
end

-- Colours by tree-sitter; without the parser the Vim syntax file does it.
local function colour(buffer)
  if vim.treesitter.start then
    pcall(vim.treesitter.start, buffer, 'pv')
  elseif pcall(vim.treesitter.require_language, 'pv') then
    require('vim.treesitter.highlighter').new(vim.treesitter.get_parser(buffer, 'pv'))
  end
end

local function attach(buffer, config)
  if vim.lsp.start then
    vim.lsp.start(config, { bufnr = buffer })
    return
  end
  local key = config.root_dir
  if not clients[key] or vim.lsp.client_is_stopped(clients[key]) then
    clients[key] = vim.lsp.start_client(config)
  end
  if clients[key] then
    vim.lsp.buf_attach_client(buffer, clients[key])
  end
end

--- Colours and serves every .pv buffer, open ones included.
--- options: cmd (list of strings), root_dir (string), and what vim.lsp.start_client takes (on_attach, handlers, ...).
function M.setup(options)
  local function open(buffer)
    colour(buffer)
    local name = vim.api.nvim_buf_get_name(buffer)
    local config = vim.tbl_extend('force', {
      name = 'pvc',
      cmd = { 'pvc', 'lsp' },
      root_dir = root_of(name ~= '' and name or vim.fn.getcwd() .. '/x'),
    }, options or {})
    if vim.fn.executable(config.cmd[1]) == 1 then
      attach(buffer, config)
    end
  end
  local group = vim.api.nvim_create_augroup('pvc', { clear = true })
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    pattern = 'pv',
    callback = function(event)
      open(event.buf)
    end,
  })
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].filetype == 'pv' then
      open(buffer)
    end
  end
end

return M
