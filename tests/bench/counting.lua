-- wrk sends the same bytes again and again, which no crowd of clients does; here every head has a field that no other has.
local sent = 0
request = function()
   sent = sent + 1
   return wrk.format(nil, nil, {["X-Request-ID"] = string.format("%016d", sent)})
end
