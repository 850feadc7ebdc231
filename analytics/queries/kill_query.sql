KILL QUERY
WHERE user = currentUser() AND Settings['log_comment'] = {comment:String}
ASYNC
