#!lua flags=no-writes
-- Reads strips of an upload: short ranges, equally far apart, without the rest of the pieces in which they lie.
-- KEYS: the blob   ARGV: bytes of a piece, first byte, bytes of a strip, bytes from strip to strip, strips
-- returns the strips, one after the other; nil when a piece is not there
local size, offset, length, step = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local number, piece, found = nil, nil, {}
for strip = 0, tonumber(ARGV[5]) - 1 do
  local at = offset + strip * step
  local last = at + length
  while at < last do
    if number ~= math.floor(at / size) then
      number = math.floor(at / size)
      piece = redis.call('HGET', KEYS[1], string.format('%d', number))
      if not piece then return nil end
    end
    local stop = math.min(last, (number + 1) * size)
    found[#found + 1] = string.sub(piece, at - number * size + 1, stop - number * size)
    at = stop
  end
end
return table.concat(found)
