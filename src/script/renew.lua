-- renew.lua -- RENEW: let these names' grants live for ttl_ms from now, and keep their marks at the
-- fences.  Renewals that differ in name, token and fence alone come together in one call.
-- KEYS: of each name lock, mark; then boot.  Plain and not guarded: locks alone.
-- ARGV: ttl_ms, not_after_ms, run_id, guard_ms, heal; then of each name token, fence.
-- heal: 1: a server that lost the key is given it again, unless its mark shows that somebody newer was
-- there; 2: who adopts does not know the fence, and is told the mark; 0: neither.
-- Behind a YES to the call stand three for each name: its own answer, its mark, a text.  Names do not
-- concern each other: what is wrong with one of them is its own answer, REFUSED.

local ttl_ms = number_arg(1, 1, TTL_MAX_MS, 'ttl_ms')
local not_after_ms = number_arg(2, 0, NUMBER_MAX, 'not_after_ms')
local heal = number_arg(5, 0, 2, 'heal')
local count = (#ARGV - 5) / 2
local stride = #KEYS == count and 1 or 2
local boot = KEYS[stride * count + 1]
local run, guard_ms = guard_args(3, boot)
if count < 1 or count % 1 ~= 0 or #KEYS < stride * count then
    bad = bad or 'number of keys'
end
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end
local refusal = guard_refusal(boot, run, guard_ms)
if refusal then
    return refusal
end

local ttl = digits(ttl_ms)
-- Marks outlive their locks by days, so it is enough to write them anew each hour.  A lock that is held
-- across the hour is renewed within ttl_ms after it, or it is not held any more.
local is_new_hour = math.floor(now_ms / 3600000) > math.floor((now_ms - ttl_ms) / 3600000)
local function words_of(failure)
    return type(failure) == 'table' and failure.err or nil
end

-- A renewal that has more to do than to lengthen what is there.
local function renew(lock, key, holder, text, token, fence)
    fence = whole(fence, 0, NUMBER_MAX)
    if not fence or #token < 1 or #token > 256 or fence > 0 and not key then
        return REFUSED, 0, 'ERR redlock: bad token, fence or number of keys'
    end
    holder = value_of(lock, holder)
    text = (fence > 0 or heal == 2) and key and value_of(key, text)
    local failed = words_of(holder) or words_of(text)
    if failed then
        return REFUSED, 0, failed
    end
    local mark = text and whole(text, 0, NUMBER_MAX - 1) or 0
    if text and not whole(text, 0, NUMBER_MAX - 1) then
        return REFUSED, 0, 'ERR redlock: bad mark stored on this server'
    end
    if holder and holder ~= token then
        return NO, mark, shown(holder)
    end
    if not holder and (heal ~= 1 or mark > fence) then
        return NO, mark, ''
    end
    if fence > 0 then
        -- As in RAISE: a fence that no node can have given must not put the mark out of reach.
        if fence > now_us + DAY_US and fence > mark then
            return CLOCK, mark, ''
        end
        if mark < fence or is_new_hour then
            mark = math.max(mark, fence)
            failed = words_of(redis.pcall('SET', key, digits(mark), 'PX', MARK_TTL_MS))
        end
    end
    if holder and not failed then
        lock_lengthen(lock, ttl_ms, ttl)
        return YES, mark, ''
    end
    failed = failed or words_of(redis.pcall('SET', lock, token, 'PX', ttl))
    if failed then
        return REFUSED, 0, failed
    end
    return HEALED, mark, ''
end

local values = redis.call('MGET', unpack(KEYS, 1, stride * count))
local reply = answer(YES, 0, 0)
for index = 1, count do
    local at = stride * (index - 1) + 1
    local key = stride == 2 and KEYS[at + 1] or nil
    local token, fence = ARGV[4 + 2 * index], ARGV[5 + 2 * index]
    local text = key and values[at + 1]
    local code, mark, words
    local is_marked = text == fence and not is_new_hour or fence == '0' and heal ~= 2
    if values[at] == token and token ~= '' and is_marked then
        lock_lengthen(KEYS[at], ttl_ms, ttl)
        code, mark, words = YES, tonumber(fence), ''
    else
        code, mark, words = renew(KEYS[at], key, values[at], text, token, fence)
    end
    local place = 2 + 3 * index
    reply[place], reply[place + 1], reply[place + 2] = code, mark, words
end
return reply
