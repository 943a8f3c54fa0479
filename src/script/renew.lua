-- renew.lua -- RENEW: let the grant live for ttl_ms from now and keep the mark at the fence.
-- KEYS: lock, mark, boot.  ARGV: token, ttl_ms, not_after_ms, fence, run_id, guard_ms, heal.
-- heal: 1: a server that lost the key is given it again, unless its mark shows that somebody newer was
-- there; 2: who adopts does not know the fence, and is told the mark; 0: neither.

local token = token_arg(1)
local ttl_ms = number_arg(2, 1, TTL_MAX_MS, 'ttl_ms')
local not_after_ms = number_arg(3, 0, NUMBER_MAX, 'not_after_ms')
local fence = number_arg(4, 0, NUMBER_MAX, 'fence')
local run, guard_ms = guard_args(5, KEYS[3])
local heal = number_arg(7, 0, 2, 'heal')
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end
local refusal = guard_refusal(KEYS[3], run, guard_ms)
if refusal then
    return refusal
end

local holder = holder_read()
local mark = mark_read(fence > 0 or heal == 2)
if bad then
    return refuse()
end
if holder and holder ~= token then
    return answer(NO, mark, 0, shown(holder))
end
if not holder and (heal ~= 1 or mark > fence) then
    return answer(NO, mark, 0, '')
end
if fence > 0 then
    -- As in RAISE: a fence that no node can have given must not put the mark out of reach.
    if fence > now_us + DAY_US and fence > mark then
        return answer(CLOCK, mark, 0)
    end
    mark = math.max(mark, fence)
    mark_write(mark)
end
if holder then
    holder_lengthen(ttl_ms)
    return answer(YES, mark, 0)
end
holder_write(token, ttl_ms)
return answer(HEALED, mark, 0)
