-- release.lua -- RELEASE: take the name from this token, if it has it.
-- KEYS: lock.  ARGV: token, not_after_ms.

local token = token_arg(1)
local not_after_ms = number_arg(2, 0, NUMBER_MAX, 'not_after_ms')
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end
if holder_read() ~= token then
    return answer(NO, 0, 0)
end
redis.call('DEL', KEYS[1])
return answer(YES, 0, 0)
