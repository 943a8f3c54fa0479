-- prelude.lua -- what every step shares; the build puts it in front of each of the other files.
--
-- A step runs to its end before the server does anything else, but an error in the middle undoes
-- nothing.  So each step first reads and checks everything, and only then writes: the companion
-- keys before the lock, for a mark without a grant does no harm and a grant without a mark does.
-- Whole-line comments like this one are left out at build time; there are no block comments.

local YES, HEALED, NO, LATE, NOT_READY, CLOCK = 1, 2, 3, 4, 5, 6
-- One of many names could not be served: an error of its own.
local REFUSED = 8
-- 2^53 - 1: above it a Lua number skips integers.
local NUMBER_MAX = 9007199254740991
-- A day, the longest ttl, and room for its margin.
local TTL_MAX_MS = 90000000
-- 7 days; docs/protocol.md says why marks outlive their locks.
local MARK_TTL_MS = '604800000'
local HOUR_US, DAY_US = 3600e6, 86400e6

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)

-- The first thing found wrong with keys, arguments or stored numbers; a step that sees it refuses.
local bad

local function refuse()
    return redis.error_reply('ERR redlock: bad ' .. bad)
end

-- tostring() turns numbers above 1e14 into 1e+14.
local function digits(number)
    return string.format('%.0f', number)
end

local function whole(text, least, most)
    if not text or #text > 16 or not string.find(text, '^%d+$') then
        return nil
    end
    local number = tonumber(text)
    return number >= least and number <= most and number or nil
end

local function number_arg(index, least, most, what)
    local number = whole(ARGV[index], least, most)
    if not number then
        bad = bad or what
    end
    return number or least
end

local function token_arg(index)
    local token = ARGV[index] or ''
    if #token < 1 or #token > 256 then
        bad = bad or 'token'
    end
    return token
end

local function run_arg(index)
    local run = ARGV[index] or ''
    if #run > 40 or not string.find(run, '^%w*$') then
        bad = bad or 'run_id'
    end
    return run
end

local function is_late(not_after_ms)
    return not_after_ms > 0 and now_ms > not_after_ms
end

local function answer(code, mark, left_ms, text, place, more)
    return {code, mark, now_ms, left_ms, text, place, more}
end

-- Somebody else's value may be of any length; more than a token's worth of it helps nobody.
local function shown(value)
    return string.sub(value or '', 1, 256)
end

local function left_ms()
    return math.max(redis.call('PTTL', KEYS[1]), 0)
end

-- The lock's value, or false.  Whether the key exists is asked by its value only: inside a script
-- that answer stands still, while PTTL's may not.
local function holder_read()
    return redis.call('GET', KEYS[1])
end

local function holder_write(token, ttl_ms)
    redis.call('SET', KEYS[1], token, 'PX', digits(ttl_ms))
end

-- Since 7.0 PEXPIRE itself can be told not to shorten; older servers don't tell their version.
local PEXPIRE_KNOWS_GT = redis.REDIS_VERSION_NUM ~= nil

-- Never shortens: an answer that overtook another must not take back what was promised.  ttl: the
-- digits of ttl_ms.
local function lock_lengthen(lock, ttl_ms, ttl)
    if PEXPIRE_KNOWS_GT and redis.call('PEXPIRE', lock, ttl, 'GT') == 1 then
        return
    end
    if redis.call('PTTL', lock) < ttl_ms then
        redis.call('PEXPIRE', lock, ttl)
    end
end

-- What MGET said of a key, or the error that GET has: MGET does not tell what is missing from what is
-- no string.
local function value_of(key, value)
    return value or redis.pcall('GET', key)
end

local function mark_of(text)
    local mark = text and whole(text, 0, NUMBER_MAX - 1)
    if text and not mark then
        bad = bad or 'mark stored on this server'
    end
    return mark or 0
end

-- The mark, 0 when there is none; plain steps don't have one.
local function mark_read(fenced)
    if not fenced then
        return 0
    end
    if not KEYS[2] then
        bad = bad or 'number of keys'
        return 0
    end
    return mark_of(redis.call('GET', KEYS[2]))
end

local function mark_write(mark)
    redis.call('SET', KEYS[2], digits(mark), 'PX', MARK_TTL_MS)
end

-- What the restart guard says of this run of the server: a word, the silence left, and whether that
-- silence begins only now.  The boot key holds the run that was seen last, since when ("0": it was
-- declared ready), and "restarted" when another run was seen before it.  A run that differs has
-- restarted, perhaps empty; a missing key is a server that lost its data or is new; a time to come
-- means that the clock was set back.
local function guard_look(key, run, guard_ms)
    local boot = redis.call('GET', key)
    local seen, since, was = string.match(boot or '', '^(%w+) (%d+) ?(%l*)$')
    since = whole(since, 0, NUMBER_MAX)
    if seen ~= run or not since then
        return boot and 'restarted' or 'new', guard_ms, true
    end
    local word = was == 'restarted' and was or 'silent'
    if since > now_ms then
        return word, guard_ms, true
    end
    if since > 0 and now_ms < since + guard_ms then
        return word, since + guard_ms - now_ms, false
    end
    return 'ready', 0, false
end

-- nil when this run may vote, else the answer to give.
local function guard_refusal(key, run, guard_ms)
    if run == '' then
        return nil
    end
    local word, silence_ms, is_begin = guard_look(key, run, guard_ms)
    if is_begin then
        local was = word == 'restarted' and ' restarted' or ''
        redis.call('SET', key, run .. ' ' .. digits(now_ms) .. was)
    end
    if word ~= 'ready' then
        return answer(NOT_READY, 0, silence_ms)
    end
    return nil
end

-- Arguments of the steps that ask the guard.
local function guard_args(index, key)
    local run = run_arg(index)
    if run ~= '' and not key then
        bad = bad or 'number of keys'
    end
    return run, number_arg(index + 1, 0, NUMBER_MAX, 'guard_ms')
end

-- The queue of a name: a sorted set of tokens by ticket, the lowest first.  `alive` says of each of
-- them until when it counts, and how its process is woken: "1800000000000 channel tag".  Who holds is
-- not in the queue.

-- So many waiters are looked at in one step; what is left the polls find.
local HEADS_MAX = 128
-- A waiter whose process does not listen (it has crashed, or connects again) is passed over.  It
-- keeps its place for so long.
local AWAY_MS = 3000

local function queue_leave(token)
    redis.call('ZREM', KEYS[3], token)
    redis.call('HDEL', KEYS[4], token)
end

-- A waiter that is woken asks at once: if it does not, the others need not wait for longer than this.
local WOKEN_MS = 2000

-- Wakes the waiter's process.  PUBLISH says whether anybody heard it: the quickest way to learn of a
-- crash.  True: it was heard; false: not now; nil: it has not asked for longer than it may.
-- keep_ms, unless nil: how long it still counts if it was heard and does not ask.
-- mark, unless 0 or nil: it is given the name in this step, with this mark.  That is told, and when; the token
-- behind it shows that it was said by who can look into the queue.
local function queue_wake(token, keep_ms, mark)
    local alive = redis.call('HGET', KEYS[4], token)
    local until_ms, channel, tag = string.match(alive or '', '^(%d+) (%w+) (%d+)$')
    until_ms = tonumber(until_ms)
    if not until_ms or until_ms < now_ms then
        return nil
    end
    local words = tag
    if mark and mark > 0 then
        words = tag .. ' ' .. digits(mark) .. ' ' .. digits(now_ms) .. ' ' .. token
    end
    local count = redis.pcall('PUBLISH', 'redlock:wake:' .. channel, words)
    local is_heard = type(count) == 'number' and count > 0
    if not is_heard then
        keep_ms = AWAY_MS
    end
    if keep_ms and until_ms > now_ms + keep_ms then
        local kept = digits(now_ms + keep_ms) .. ' ' .. channel .. ' ' .. tag
        redis.call('HSET', KEYS[4], token, kept)
    end
    return is_heard
end

-- Wakes the first waiter in front of `token` (in front of nobody: '') who can be reached.  Returns
-- whether there is one.
local function queue_wake_before(token)
    local count = 2
    while true do
        local waiters = redis.call('ZRANGE', KEYS[3], 0, count - 1)
        for _, waiter in ipairs(waiters) do
            if waiter == token then
                return false
            end
            local heard = queue_wake(waiter, WOKEN_MS)
            if heard then
                return true
            end
            if heard == nil then
                queue_leave(waiter)
            end
        end
        if #waiters < count or count == HEADS_MAX then
            return false
        end
        count = HEADS_MAX
    end
end

-- The further back, the rarer a waiter asks; core/wait.c counts in the same way.
local function poll_interval_ms(poll_ms, rank)
    return poll_ms * math.min(1 + rank, 4)
end

-- Puts `token` into the queue, or keeps it alive there, and returns its place; the first is 1.
-- Without a ticket it goes to the end.
local function queue_enter(token, poll_ms, ticket, wake)
    local rank = redis.call('ZRANK', KEYS[3], token)
    if not rank then
        if ticket == 0 then
            local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
            ticket = (tonumber(last[2]) or 0) + 1
        end
        redis.call('ZADD', KEYS[3], digits(ticket), token)
        rank = redis.call('ZRANK', KEYS[3], token)
    end
    -- Two polls may get lost.
    local lease_ms = 3 * poll_interval_ms(poll_ms, rank)
    redis.call('HSET', KEYS[4], token, digits(now_ms + lease_ms) .. ' ' .. wake)
    if redis.call('PTTL', KEYS[3]) < lease_ms then
        redis.call('PEXPIRE', KEYS[3], digits(lease_ms))
        redis.call('PEXPIRE', KEYS[4], digits(lease_ms))
    end
    return rank + 1
end

-- Arguments of the steps that may wait: the interval of polls, the ticket, how to wake.
local function queue_args(index)
    local poll_ms = number_arg(index, 0, TTL_MAX_MS, 'poll_ms')
    local ticket = number_arg(index + 1, 0, NUMBER_MAX, 'ticket')
    local wake = ARGV[index + 2] or ''
    if poll_ms > 0 and not (KEYS[4] and string.find(wake, '^%w+ %d+$')) then
        bad = bad or 'queue'
    end
    return poll_ms, ticket, wake
end
