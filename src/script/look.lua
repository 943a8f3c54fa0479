-- look.lua -- LOOK: who holds, for how long, and the mark.  Changes nothing.
-- KEYS: lock, and the mark unless plain.

local holder = holder_read()
local mark = mark_read(KEYS[2])
if bad then
    return refuse()
end
return answer(YES, mark, left_ms(), shown(holder))
