"""What one can do with orders, crews, accounts and photos. Imperative names; one transaction each."""
